//! What a program can do that `vitrine confine` has started, as this user and, where this is root, as an ordinary one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    fs::{self, File, OpenOptions, Permissions},
    net::{TcpListener, TcpStream, UdpSocket},
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        net::UnixDatagram,
    },
    path::{Path, PathBuf},
    process::{Command, Output},
};

use nix::{sys::signal::kill, unistd::Pid};
use tempfile::TempDir;

const VITRINE: &str = env!("CARGO_BIN_EXE_vitrine");
/// Tells this test that it is the program that was started, and which port somebody listens on.
const PROBE: &str = "CONFINED_PROBE";

/// The two files of a program, and one beside them.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
        for (name, data) in [("in", &[7; 4 << 20][..]), ("out", b""), ("other", b"secret")] {
            fs::write(folder.path().join(name), data).unwrap();
            fs::set_permissions(folder.path().join(name), Permissions::from_mode(0o666)).unwrap();
        }
        Self { folder }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `vitrine confine` with these bounds, as another user if that is wanted.
    fn confine(&self, ordinary: bool, file_bytes: u64, memory: u64) -> Command {
        let mut command = match ordinary {
            true => Command::new("setpriv"),
            false => Command::new(VITRINE),
        };
        if ordinary {
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups", VITRINE]);
        }
        command.arg("confine").arg(format!("--parent={}", std::process::id()));
        command.args(["--cpu-seconds=20", "--files=64"]);
        command.arg(format!("--memory={memory}")).arg(format!("--file-bytes={file_bytes}"));
        command.arg(format!("--reads={}", self.file("in").display()));
        command.arg(format!("--writes={}", self.file("out").display()));
        command.arg("--");
        command
    }
}

fn output(command: &mut Command) -> Output {
    command.output().unwrap()
}

/// Whether to try it as an ordinary user, too.
fn users() -> Vec<bool> {
    if fs::metadata("/proc/self").unwrap().uid() == 0 { vec![false, true] } else { vec![false] }
}

/// Does, as the program that was started, what such a program must not do, and prints what worked.
#[test]
fn probe() {
    let Ok(told) = std::env::var(PROBE) else { return };
    let (port, folder) = told.split_once(':').unwrap();
    let folder = Path::new(folder);
    let mut worked = Vec::new();
    let mut tried = |name: &'static str, result: bool| {
        if result {
            worked.push(name);
        }
    };
    tried("read in", fs::read(folder.join("in")).is_ok());
    tried("write out", OpenOptions::new().write(true).truncate(true).open(folder.join("out")).is_ok());
    tried("write in", OpenOptions::new().write(true).open(folder.join("in")).is_ok());
    tried("read other", fs::read(folder.join("other")).is_ok());
    tried("read /etc/passwd", fs::read("/etc/passwd").is_ok());
    tried("list", fs::read_dir(folder).is_ok());
    tried("create", File::create(folder.join("new")).is_ok());
    tried("link", fs::hard_link(folder.join("in"), folder.join("link")).is_ok());
    tried("mode", fs::set_permissions(folder.join("out"), Permissions::from_mode(0o666)).is_ok());
    tried("remove", fs::remove_file(folder.join("other")).is_ok());
    tried("rename", fs::rename(folder.join("out"), folder.join("moved")).is_ok());
    tried("tcp", TcpStream::connect(format!("127.0.0.1:{port}")).is_ok());
    tried("listen", TcpListener::bind("127.0.0.1:0").is_ok());
    tried("udp", UdpSocket::bind("127.0.0.1:0").is_ok());
    tried("unix", UnixDatagram::unbound().is_ok());
    tried("start", Command::new("/bin/true").status().is_ok());
    tried("signal", kill(Pid::parent(), None).is_ok());
    let descriptors: Vec<_> = (0..70).map_while(|_| File::open(folder.join("in")).ok()).collect();
    tried("70 descriptors", descriptors.len() == 70);
    println!("worked: {}", worked.join(", "));
}

/// What the probe could do.
fn probed(command: &mut Command, place: &Place, port: u16) -> String {
    let told = format!("{port}:{}", place.folder.path().display());
    let done = output(command.args(["--exact", "probe", "--nocapture"]).env(PROBE, told));
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    let line = text.lines().find_map(|line| line.split_once("worked: "));
    line.unwrap_or_else(|| panic!("{done:?}")).1.to_owned()
}

/// Proves that such a program reads its one file, writes the other, and does nothing else of what it could do before.
#[test]
fn sec_39_a_confined_program_has_two_files_and_no_network() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let this = std::env::current_exe().unwrap();
    let free = probed(&mut Command::new(&this), &Place::new(), port);
    assert_eq!(
        free,
        "read in, write out, write in, read other, read /etc/passwd, list, create, link, mode, remove, rename, tcp, listen, \
         udp, unix, start, signal, 70 descriptors"
    );
    assert!(listener.accept().is_ok());
    for ordinary in users() {
        let place = Place::new();
        let confined = probed(place.confine(ordinary, 1 << 20, 8 << 30).arg(&this), &place, port);
        assert_eq!(confined, "read in, write out", "as an ordinary user: {ordinary}");
        assert!(listener.accept().is_err());
        assert_eq!(fs::read(place.file("other")).unwrap(), b"secret");
    }
}

/// Proves the same of the converter: it does its work, and a source that is another file or a server is out of reach.
#[test]
fn sec_39_the_converter_reaches_no_other_source() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let nbd = format!("nbd://127.0.0.1:{}/x", listener.local_addr().unwrap().port());
    let place = Place::new();
    let (input, out, other) = (place.file("in"), place.file("out"), place.file("other"));
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    for ordinary in users() {
        let run = |arguments: &[&str]| {
            output(place.confine(ordinary, 8 << 20, 2 << 30).arg("qemu-img").args(arguments))
        };
        let done = run(&["info", "-f", "raw", "--output=json", &text(&input)]);
        assert!(done.status.success() && done.stderr.is_empty(), "{done:?}");
        let done = run(&["convert", "-f", "raw", "-O", "raw", &text(&input), &text(&out)]);
        assert!(done.status.success() && done.stderr.is_empty(), "{done:?}");
        assert_eq!(fs::read(&out).unwrap(), fs::read(&input).unwrap());
        for format in ["qcow2", "vmdk"] {
            let done = run(&["convert", "-f", "raw", "-O", format, &text(&input), &text(&out)]);
            assert!(done.status.success() && done.stderr.is_empty(), "{done:?}");
        }
        for source in [
            text(&other),
            format!("json:{{\"driver\":\"file\",\"filename\":\"{}\"}}", text(&other)),
            nbd.clone(),
        ] {
            let done = run(&["convert", "-f", "raw", "-O", "raw", &source, &text(&out)]);
            assert_eq!(done.status.code(), Some(1), "{source}: {done:?}");
        }
        assert!(listener.accept().is_err());
        let done = run(&["convert", "-f", "raw", "-O", "raw", &text(&input), &text(&place.file("new"))]);
        assert_eq!(done.status.code(), Some(1), "{done:?}");
        assert!(!place.file("new").exists());
    }
}

/// Proves that what it writes and the memory that it takes end where they are said to end.
#[test]
fn sec_50_the_converter_keeps_within_its_bounds() {
    let place = Place::new();
    let arguments = ["convert", "-f", "raw", "-O", "raw"];
    let convert = |file_bytes, memory| {
        let mut command = place.confine(false, file_bytes, memory);
        output(command.arg("qemu-img").args(arguments).args([place.file("in"), place.file("out")]))
    };
    assert!(!convert(1 << 20, 2 << 30).status.success());
    assert!(fs::metadata(place.file("out")).unwrap().len() <= 1 << 20);
    assert!(!convert(8 << 20, 32 << 20).status.success());
    assert!(convert(8 << 20, 2 << 30).status.success());
}

/// Proves that nothing is run for a server that is gone, nor where there is no such program.
#[test]
fn sec_39_nothing_runs_without_its_server() {
    let place = Place::new();
    let mut command = Command::new(VITRINE);
    command.args([
        "confine",
        "--parent=4000000000",
        "--cpu-seconds=1",
        "--memory=2147483648",
        "--file-bytes=0",
        "--files=64",
    ]);
    command.arg(format!("--reads={}", place.file("in").display())).args(["--", "qemu-img", "--version"]);
    let done = output(&mut command);
    assert_eq!((done.status.code(), done.stdout.as_slice()), (Some(125), &b""[..]));
    let done = output(place.confine(false, 0, 2 << 30).arg("no-such-program"));
    assert_eq!(done.status.code(), Some(125), "{done:?}");
}
