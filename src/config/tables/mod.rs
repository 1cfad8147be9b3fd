//! Every option that Vitrine knows: the facts from Glance 2026.2 and the libraries whose options it reads, and our
//! own description of each.

mod bounds;
mod defaults;
mod identity;
mod imports;
mod key_manager;
mod kinds;
mod listening;
mod lives;
mod logging;
mod messaging;
mod obsolete;
mod own;
mod services;
mod stores;
mod stores_block;
mod traces;
mod usage;

use std::sync::LazyLock;

use super::option::Group;
pub use identity::LOGIN_SECTIONS;
pub use imports::TASKS_STORE_DATADIR;

/// All groups, in the order of the sample file. An option of one section may stand in several.
pub static GROUPS: LazyLock<Vec<&[Group]>> = LazyLock::new(|| {
    vec![
        defaults::GROUPS,
        logging::GROUPS,
        services::GROUPS,
        own::GROUPS,
        lives::GROUPS,
        bounds::GROUPS,
        listening::GROUPS,
        usage::GROUPS,
        traces::GROUPS,
        identity::GROUPS,
        stores::GROUPS,
        &kinds::GROUPS,
        stores_block::GROUPS,
        imports::GROUPS,
        messaging::GROUPS,
        key_manager::GROUPS,
        obsolete::GROUPS,
    ]
});
