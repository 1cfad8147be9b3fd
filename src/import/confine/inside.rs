//! The process that drops its rights and executes another program.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    os::unix::process::{CommandExt, parent_id},
    path::{Path, PathBuf},
    process::Command,
};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, Scope,
};
use nix::{
    libc,
    sys::{
        prctl::set_pdeathsig,
        resource::{Resource, getrlimit, setrlimit},
        signal::Signal,
    },
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

/// Where the libraries of programs are, which may be read and run.
const LIBRARIES: [&str; 8] = [
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/nix/store",
    "/gnu/store",
    "/etc/ld.so.cache",
];

/// The restrictions of a confined process.
#[derive(Debug)]
pub struct Sentence {
    /// The process that must live as long as this one does.
    pub parent: u32,
    /// Seconds of processor time.
    pub cpu_seconds: u64,
    /// Bytes of address space.
    pub memory: u64,
    /// Bytes of a file that is written.
    pub file_bytes: u64,
    /// Descriptors.
    pub files: u64,
    /// The file that is read.
    pub reads: PathBuf,
    /// The file that is written.
    pub writes: Option<PathBuf>,
    /// Go on with what the kernel can do.
    pub lenient: bool,
    /// The program and its sentence.
    pub command: Vec<OsString>,
}

/// Takes the rights of this process away and becomes the program. Comes back only when that failed, with the reason.
pub fn run(sentence: &Sentence) -> String {
    match confined(sentence) {
        Err(why) => why,
        Ok(mut command) => {
            let error = command.exec();
            format!("{} cannot be run: {error}", command.get_program().display())
        }
    }
}

fn confined(sentence: &Sentence) -> Result<Command, String> {
    let (name, rest) = sentence.command.split_first().ok_or("there is no program to run")?;
    let program = find(name, std::env::var_os("PATH"));
    let program = program.ok_or_else(|| format!("there is no program {}", name.display()))?;
    dies_with(sentence.parent)?;
    bound(sentence).map_err(|e| format!("the bounds cannot be set: {e}"))?;
    let steps = [
        files_only(&program, &sentence.reads, sentence.writes.as_deref()).map_err(|e| e.to_string()),
        few_calls().map_err(|e| e.to_string()),
    ];
    for why in steps.into_iter().filter_map(Result::err) {
        if !sentence.lenient {
            return Err(format!("the kernel cannot confine this process: {why}"));
        }
    }
    let mut command = Command::new(program);
    command.args(rest);
    Ok(command)
}

/// Where the shell would find a program.
fn find(name: &OsStr, path: Option<OsString>) -> Option<PathBuf> {
    if name.as_encoded_bytes().contains(&b'/') {
        return Some(name.into());
    }
    std::env::split_paths(&path?).map(|folder| folder.join(name)).find(|candidate| candidate.is_file())
}

/// Ends with the process that started this one, and at once when that has ended already.
fn dies_with(parent: u32) -> Result<(), String> {
    set_pdeathsig(Signal::SIGKILL).map_err(|e| e.to_string())?;
    if parent_id() == parent { Ok(()) } else { Err("the server is gone".to_owned()) }
}

fn bound(sentence: &Sentence) -> nix::Result<()> {
    for (resource, most) in [
        (Resource::RLIMIT_CPU, sentence.cpu_seconds),
        (Resource::RLIMIT_AS, sentence.memory),
        (Resource::RLIMIT_FSIZE, sentence.file_bytes),
        (Resource::RLIMIT_NOFILE, sentence.files),
        (Resource::RLIMIT_CORE, 0),
    ] {
        // Whoever runs the server may have set less.
        let most = most.min(getrlimit(resource)?.1);
        setrlimit(resource, most, most)?;
    }
    Ok(())
}

/// The rights over files and ports that Landlock removes: those of its first version have to be there, later ones are
/// removed where the kernel knows them.
fn ruleset() -> Result<landlock::RulesetCreated, landlock::RulesetError> {
    Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V5))?
        .handle_access(AccessNet::from_all(ABI::V4))?
        .scope(Scope::from_all(ABI::V6))?
        .create()
}

/// Whether this kernel can confine processes; nothing is removed by asking.
///
/// # Errors
/// A sentence on what is missing.
pub fn available() -> Result<(), String> {
    ruleset().map_err(|e| e.to_string())?;
    filter().map_err(|e| e.to_string()).map(drop)
}

/// Leaves the program, its libraries and two files.
fn files_only(program: &Path, reads: &Path, writes: Option<&Path>) -> Result<(), Box<dyn std::error::Error>> {
    let run: BitFlags<AccessFs> = AccessFs::Execute | AccessFs::ReadFile;
    let mut rules = ruleset()?.set_compatibility(CompatLevel::BestEffort);
    rules = rules.add_rule(PathBeneath::new(PathFd::new(program)?, run))?;
    for place in LIBRARIES.map(Path::new).into_iter().filter(|place| place.exists()) {
        let rights = if place.is_dir() { run | AccessFs::ReadDir } else { AccessFs::ReadFile.into() };
        rules = rules.add_rule(PathBeneath::new(PathFd::new(place)?, rights))?;
    }
    // The C library and `qemu-img` try things out on it.
    let nothing = AccessFs::ReadFile | AccessFs::WriteFile;
    rules = rules.add_rule(PathBeneath::new(PathFd::new("/dev/null")?, nothing))?;
    rules = rules.add_rule(PathBeneath::new(PathFd::new(reads)?, AccessFs::ReadFile))?;
    if let Some(writes) = writes {
        let rights = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate;
        rules = rules.add_rule(PathBeneath::new(PathFd::new(writes)?, rights))?;
    }
    rules.restrict_self()?;
    Ok(())
}

/// Takes away the calls that reach other processes, the network, or the owner and mode of files, which Landlock leaves
/// or leaves to later kernels. They answer that there is no such call.
fn few_calls() -> Result<(), Box<dyn std::error::Error>> {
    Ok(seccompiler::apply_filter(&filter()?)?)
}

fn filter() -> Result<BpfProgram, Box<dyn std::error::Error>> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    // Threads may be made, processes may not.
    let thread = u64::try_from(libc::CLONE_THREAD)?;
    let no_thread = SeccompCondition::new(0, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(thread), 0)?;
    rules.insert(libc::SYS_clone, vec![SeccompRule::new(vec![no_thread])?]);
    let others =
        SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, u64::from(std::process::id()))?;
    rules.insert(libc::SYS_tgkill, vec![SeccompRule::new(vec![others])?]);
    let sets = SeccompCondition::new(2, SeccompCmpArgLen::Qword, SeccompCmpOp::Ne, 0)?;
    rules.insert(libc::SYS_prlimit64, vec![SeccompRule::new(vec![sets])?]);
    let refuse = SeccompAction::Errno(u32::try_from(libc::ENOSYS)?);
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, std::env::consts::ARCH.try_into()?)?;
    Ok(filter.try_into()?)
}

/// Calls that a program which reads one file and writes another has no use for.
const REFUSED: &[i64] = &[
    // The network.
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // Other processes. `clone3` hides what it makes from filters; the C library then takes `clone`.
    libc::SYS_clone3,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_setrlimit,
    libc::SYS_setpgid,
    libc::SYS_setsid,
    libc::SYS_setns,
    libc::SYS_unshare,
    // The machine.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_open_by_handle_at,
    // Owner, mode and times of files.
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lchown,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchmodat2,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
];
