//! How many arenas glibc's allocator has. Its default is eight for each processor; memory that threads free stays in
//! the arena that it came from, and a process with many threads grows for hours until all of them are full.
#![allow(unsafe_code)]

/// What an operator says about it by himself.
const TOLD: [&str; 2] = ["MALLOC_ARENA_MAX", "GLIBC_TUNABLES"];
/// Fewer let threads wait for each other.
const FEWEST: usize = 2;

/// Limits them to one for each processor, unless the environment says something of the allocator. To be called before
/// there are threads.
pub fn limit() {
    if TOLD.iter().any(|name| std::env::var_os(name).is_some()) {
        return;
    }
    let wanted = std::thread::available_parallelism().map_or(FEWEST, usize::from).max(FEWEST);
    #[cfg(target_env = "gnu")]
    if let Ok(wanted) = i32::try_from(wanted) {
        // SAFETY: a number is set, in a process that has one thread.
        unsafe { nix::libc::mallopt(nix::libc::M_ARENA_MAX, wanted) };
    }
}
