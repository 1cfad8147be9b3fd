//! The arguments of the trial upload.

use std::path::PathBuf;

/// Arguments of the trial upload.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Where clients reach the service; otherwise the public endpoint of the catalogue, `public_endpoint`, or the server on
    /// this machine.
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<String>,
    /// Token with which an image is uploaded through the endpoint, read back and deleted. OS_CLOUD, or OS_AUTH_URL and
    /// its companions, do as well.
    #[arg(long, value_name = "TOKEN", env = "OS_TOKEN", hide_env_values = true)]
    pub os_token: Option<String>,
    /// Cloud of a clouds.yaml whose user uploads that image.
    #[arg(long, value_name = "NAME", env = "OS_CLOUD")]
    pub os_cloud: Option<String>,
    /// File with the only authorities that are trusted on the way there.
    #[arg(long, value_name = "FILE", env = "OS_CACERT")]
    pub os_cacert: Option<PathBuf>,
    /// MiB to upload.
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=1_048_576))]
    pub upload_size: u64,
    /// Seconds for which the upload stands still, to find proxies that do not wait so long.
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=86_400))]
    pub upload_pause: u64,
}
