//! The configured plug-ins, in their order. Each runs once, and its changes to the image are kept in the job's state
//! until the image becomes active.

use super::{Imports, bring, convert, decompress, ova, settings::Plugin, state::State, wish};
use crate::{
    model::{image::Image, patch},
    work::{Done, Work},
};

/// Whether a configured plug-in changes the data: then the source is inspected first.
pub fn needs_facts(imports: &Imports) -> bool {
    imports.settings.plugins.iter().any(|plugin| *plugin != Plugin::InjectMetadata)
}

/// Runs the remaining plug-ins. Conversion uses the format of the stores.
///
/// # Errors
/// What the plug-ins answer.
pub async fn run(
    imports: &Imports,
    work: &Work,
    state: &mut State,
    image: &Image,
    stores: &[String],
) -> Done<()> {
    for (index, plugin) in imports.settings.plugins.iter().enumerate().skip(state.plugins_done) {
        work.check()?;
        let mut image = image.clone();
        state.apply(&mut image);
        state.plugins_done = index + 1;
        let saved = match plugin {
            // What the bundle got is not for its disks.
            Plugin::InjectMetadata if state.apart.is_some() => false,
            Plugin::InjectMetadata => inject(imports, state),
            Plugin::Decompression => decompress::run(imports, work, state, &image).await?,
            Plugin::OvfProcess => ova::run(imports, work, state, &image).await?,
            Plugin::Conversion => {
                let facts = bring::examined(imports, work, state, &image).await?;
                let wish = wish::format(imports, &image, stores)?;
                let format = wish.as_deref().unwrap_or(&imports.settings.output_format);
                convert::run(imports, work, state, &image, &facts, format).await?
            }
        };
        if *plugin == Plugin::OvfProcess && state.apart.is_some() {
            let later = imports.settings.plugins.iter().skip(state.plugins_done);
            if later.clone().any(|plugin| *plugin == Plugin::InjectMetadata) {
                inject(imports, state);
            }
            // From here on the other plug-ins work on its disks.
            return state.save(work, "").await;
        }
        if !saved {
            state.save(work, "").await?;
        }
    }
    Ok(())
}

/// Properties for images of everybody but some roles (`glance/async_/flows/plugins/inject_image_metadata.py`).
fn inject(imports: &Imports, state: &mut State) -> bool {
    let ignored = |role: &String| imports.settings.ignore_user_roles.contains(&role.to_lowercase());
    if !state.roles.iter().any(ignored) {
        let injected = imports.settings.inject.iter();
        let allowed = injected.filter(|(name, _)| !patch::is_reserved(name) && !patch::is_refused(name));
        state.properties.extend(allowed.cloned());
    }
    false
}
