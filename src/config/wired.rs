//! Which features are implemented: the one place to change when a feature is added.

/// The status of an option that is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It does what it says.
    Honoured,
    /// A value other than the default stops the start, for this reason.
    Refused(&'static str),
    /// It is accepted, named once, and has no effect, for this reason.
    Obsolete(&'static str),
    /// It is accepted, named once, and has no effect until its feature exists.
    NotYet(&'static str),
}

/// A part of Vitrine that gives a group of options their effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// The listening socket and its workers.
    Listener,
    /// The log and where it goes.
    Logging,
    /// Request ids, public endpoint, flavours, proxies' headers.
    Http,
    /// Cross-origin requests.
    Cors,
    /// `/healthcheck`.
    Healthcheck,
    /// Image records, paging and hashes.
    Images,
    /// Formats and the safety checks of uploads.
    Formats,
    /// `direct_url`, `locations` and the location calls.
    Locations,
    /// The calls that add locations, and what is hashed and counted for them.
    LocationCalls,
    /// Size, count and storage limits that Vitrine keeps itself.
    Quotas,
    /// Limits kept in Keystone or in the built-in identity.
    UnifiedLimits,
    /// Property protection files.
    Protections,
    /// Requests without a token.
    Anonymous,
    /// Deletion of data some time after its image.
    DelayedDelete,
    /// The SQL database.
    Database,
    /// Tokens validated by a Keystone.
    Keystone,
    /// The token cache in memcached.
    Memcached,
    /// Access rules.
    Policy,
    /// Stores of the kinds that can be opened.
    Stores,
    /// Where staged uploads lie.
    Staging,
    /// What else there is to say about those folders.
    StagingTuning,
    /// Stores of type `cinder`.
    CinderStore,
    /// Staging, imports and their plug-ins.
    Imports,
    /// The job engine and its tasks.
    Tasks,
    /// The image cache.
    Cache,
    /// Notifications on a message bus.
    Notifications,
    /// Certificates and keys in a Barbican.
    KeyManager,
    /// Spans for an OpenTelemetry collector.
    Traces,
}

impl Feature {
    /// Whether options of this feature take effect in this build.
    pub fn status(self) -> Status {
        match self {
            Feature::Listener
            | Feature::Logging
            | Feature::Http
            | Feature::Cors
            | Feature::Healthcheck
            | Feature::Images
            | Feature::Formats
            | Feature::Locations
            | Feature::Quotas
            | Feature::UnifiedLimits
            | Feature::Anonymous
            | Feature::DelayedDelete
            | Feature::Database
            | Feature::Stores
            | Feature::LocationCalls
            | Feature::Keystone
            | Feature::Memcached
            | Feature::Tasks
            | Feature::Imports
            | Feature::Protections
            | Feature::Policy
            | Feature::Staging
            | Feature::KeyManager
            | Feature::Traces
            | Feature::Notifications
            | Feature::Cache => Status::Honoured,
            Feature::StagingTuning => {
                Status::NotYet("staged files lie in one folder, of which nothing but its place can be chosen")
            }
            Feature::CinderStore => Status::NotYet("stores of type cinder are not built yet"),
        }
    }
}
