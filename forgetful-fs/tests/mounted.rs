//! The file system as programs see it: mounted, used by the ordinary calls, and its power cut.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "all of it is tests")]

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    os::unix::fs::FileExt as _,
    path::Path,
    process::{Command, Stdio},
};

use forgetful_fs::{ForgetfulFs, Loss};
use tempfile::TempDir;

/// Mounted on a directory of its own; none where this may not mount, which the output says.
fn mounted() -> Option<(ForgetfulFs, TempDir)> {
    let directory = tempfile::tempdir().unwrap();
    match ForgetfulFs::mount(directory.path()) {
        Ok(fs) => Some((fs, directory)),
        Err(error) => {
            println!("skipped: FUSE cannot be mounted here (root and /dev/fuse needed): {error}");
            None
        }
    }
}

fn sync_directory(path: &Path) {
    File::open(path).unwrap().sync_all().unwrap();
}

fn names(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn ordinary_calls_work_and_see_each_other_at_once() {
    let Some((_fs, directory)) = mounted() else { return };
    let at = |name: &str| directory.path().join(name);
    fs::create_dir(at("inner")).unwrap();
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 253) as u8).collect();
    fs::write(at("inner/large"), &bytes).unwrap();
    assert_eq!(fs::read(at("inner/large")).unwrap(), bytes);
    fs::rename(at("inner/large"), at("inner/renamed")).unwrap();
    assert_eq!(names(&at("inner")), ["renamed"]);
    let file = OpenOptions::new().read(true).write(true).open(at("inner/renamed")).unwrap();
    file.write_all_at(b"in the middle", 1_000_000).unwrap();
    file.set_len(1_000_006).unwrap();
    let mut end = [0; 6];
    file.read_exact_at(&mut end, 1_000_000).unwrap();
    assert_eq!(&end, b"in the");
    assert_eq!(fs::metadata(at("inner/renamed")).unwrap().len(), 1_000_006);
    assert!(fs::remove_dir(at("inner")).is_err(), "it is not empty");
    fs::remove_file(at("inner/renamed")).unwrap();
    fs::remove_dir(at("inner")).unwrap();
    assert_eq!(names(directory.path()), [""; 0]);
}

#[test]
fn after_a_loss_of_power_programs_see_what_was_synced_and_nothing_else() {
    let Some((fs, directory)) = mounted() else { return };
    let at = |name: &str| directory.path().join(name);
    let mut file = File::create(at("file")).unwrap();
    file.write_all(b"synced").unwrap();
    file.sync_data().unwrap();
    sync_directory(directory.path());
    file.write_all(b", and not").unwrap();
    File::create(at("other")).unwrap().sync_all().unwrap();
    assert_eq!(fs::read(at("file")).unwrap(), b"synced, and not");
    drop(file);
    let lost = fs.lose_power(Loss::Everything, 1);
    assert_eq!((lost.sectors, lost.names, lost.kept), (1, 1, 0));
    assert_eq!(fs::read(at("file")).unwrap(), b"synced");
    assert_eq!(names(directory.path()), ["file"]);
}

#[test]
fn the_power_fails_in_the_middle_of_a_program() {
    let Some((fs, directory)) = mounted() else { return };
    let script = "read line; for n in 1 2 3 4 5 6; do echo $n > $n; done; cat";
    let mut child = Command::new("sh")
        .args(["-c", script])
        .current_dir(directory.path())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    // Each file is made and written: the seventh operation makes the fourth.
    fs.fail_power_at(7);
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    assert!(!child.wait().unwrap().success());
    assert!(fs.is_off() && fs::write(directory.path().join("x"), "").is_err());
    assert_eq!(names(directory.path()), ["1", "2", "3"]);
    fs.lose_power(Loss::Nothing, 1);
    fs::write(directory.path().join("x"), "").unwrap();
}

#[test]
fn a_sync_fails_when_it_was_asked_for_and_a_lie_is_not_noticed() {
    let Some((fs, directory)) = mounted() else { return };
    let mut file = File::create(directory.path().join("file")).unwrap();
    sync_directory(directory.path());
    fs.fail_sync_at(2);
    file.write_all(b"one").unwrap();
    file.sync_data().unwrap();
    file.write_all(b"two").unwrap();
    assert!(file.sync_data().is_err());
    assert!(file.sync_data().is_ok(), "Linux, too, says that all is well");
    fs.lie(true);
    file.write_all(b"three").unwrap();
    file.sync_all().unwrap();
    drop(file);
    fs.lose_power(Loss::Everything, 1);
    // The later sync brought the size, and zeros where the bytes were given up.
    assert_eq!(fs::read(directory.path().join("file")).unwrap(), b"one\0\0\0");
}
