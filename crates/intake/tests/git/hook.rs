//! The hook as git runs it: installed, chained, removed.

use std::{
    ffi::OsString,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use intake::{
    Error,
    git::{Removed, install, remove},
};

use crate::workshop::{Workshop, git_in};

// A program with an awkward path that notes its arguments and its input.
fn program(shop: &Workshop) -> PathBuf {
    let path = shop.directory.path().join("it's a program");
    let noted = shop.directory.path().join("noted");
    let script = format!("#!/bin/sh\n{{ echo \"$*\"; cat; }} > '{}'\n", noted.display());
    executable(&path, &script);
    path
}

fn executable(path: &Path, script: &str) {
    fs::write(path, script).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn noted(shop: &Workshop) -> Option<String> {
    fs::read_to_string(shop.directory.path().join("noted")).ok()
}

fn command(program: &Path) -> Vec<OsString> {
    [program.as_os_str(), "hook".as_ref(), "git".as_ref(), "run".as_ref()].map(Into::into).into()
}

#[test]
fn the_hook_of_a_bare_repository_gets_gits_lines_and_the_arguments() {
    let shop = Workshop::new();
    fs::remove_file(shop.bare().join("hooks/post-receive")).unwrap();
    let installed = install(&shop.bare(), &command(&program(&shop))).unwrap();
    assert_eq!(installed.path, shop.bare().join("hooks/post-receive"));
    assert_eq!((installed.chained, installed.shared), (None, false));
    let rev = shop.commit("base");
    shop.git(["push", "-q", "origin", "main"]);
    let expected = format!("hook git run\n{} {rev} refs/heads/main\n", "0".repeat(40));
    assert_eq!(noted(&shop).unwrap(), expected);
}

#[test]
fn the_hook_of_before_is_kept_gets_the_same_lines_and_cannot_fail_the_push() {
    let shop = Workshop::new();
    let hook = shop.bare().join("hooks/post-receive");
    executable(&hook, "#!/bin/sh\ncat > before.noted\nexit 7\n");
    let installed = install(&shop.bare(), &command(&program(&shop))).unwrap();
    let before = shop.bare().join("hooks/post-receive.before-tubepost");
    assert_eq!(installed.chained.as_deref(), Some(before.as_path()));
    shop.commit("base");
    shop.git(["push", "-q", "origin", "main"]);
    let lines = fs::read_to_string(shop.bare().join("before.noted")).unwrap();
    assert_eq!(noted(&shop).unwrap(), format!("hook git run\n{lines}"));

    assert_eq!(remove(&shop.bare()).unwrap(), Removed::Restored(hook.clone()));
    assert!(fs::read_to_string(&hook).unwrap().contains("exit 7"));
    assert!(!before.exists());
}

#[test]
fn installing_again_changes_the_command_and_chains_nothing_twice() {
    let shop = Workshop::new();
    install(&shop.bare(), &command(&program(&shop))).unwrap();
    let hook = shop.bare().join("hooks/post-receive");
    let first = fs::read(&hook).unwrap();
    install(&shop.bare(), &command(&program(&shop))).unwrap();
    assert_eq!(fs::read(&hook).unwrap(), first);
    install(&shop.bare(), &command(Path::new("/other/tubepost"))).unwrap();
    assert!(fs::read_to_string(&hook).unwrap().contains("'/other/tubepost' 'hook'"));
    let before =
        fs::read_to_string(shop.bare().join("hooks/post-receive.before-tubepost")).unwrap();
    assert!(before.contains("cat > updates"), "{before}");
    let left: Vec<_> = fs::read_dir(shop.bare().join("hooks"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with('.'))
        .collect();
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn a_program_that_is_gone_is_said_and_the_push_succeeds() {
    let shop = Workshop::new();
    install(&shop.bare(), &command(Path::new("/nowhere/tubepost"))).unwrap();
    shop.commit("base");
    let output = git_in(&shop.tree(), ["push", "origin", "main"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("remote: tubepost: nobody was told of this push: /nowhere/tubepost"),
        "{said}"
    );
}

#[test]
fn a_plain_repository_and_a_linked_work_tree_share_one_hook() {
    let shop = Workshop::new();
    shop.commit("base");
    shop.git(["worktree", "add", "-q", "../linked"]);
    let hook = shop.tree().join(".git/hooks/post-receive");
    let installed = install(&shop.tree(), &command(Path::new("/bin/true"))).unwrap();
    assert_eq!(installed.path.canonicalize().unwrap(), hook.canonicalize().unwrap());
    assert_eq!(fs::metadata(&hook).unwrap().permissions().mode() & 0o777, 0o755);
    let linked = install(&shop.directory.path().join("linked"), &command(Path::new("/bin/true")));
    assert_eq!(linked.unwrap().path.canonicalize().unwrap(), hook.canonicalize().unwrap());
    assert_eq!(remove(&shop.tree()).unwrap(), Removed::Gone(installed.path));
    assert_eq!(remove(&shop.tree()).unwrap(), Removed::Nothing);
}

#[test]
fn a_shared_hooks_directory_is_used_and_said() {
    let shop = Workshop::new();
    let hooks = shop.directory.path().join("common hooks");
    shop.git(["config", "core.hooksPath", hooks.to_str().unwrap()]);
    let installed = install(&shop.tree(), &command(Path::new("/bin/true"))).unwrap();
    assert_eq!(installed.path, hooks.join("post-receive"));
    assert!(installed.shared);
}

#[test]
fn what_is_no_repository_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let error = install(directory.path(), &command(Path::new("/bin/true"))).unwrap_err();
    assert!(matches!(error, Error::Git { .. }), "{error}");
    assert!(error.to_string().contains(directory.path().to_str().unwrap()), "{error}");
}

#[test]
fn a_hook_of_somebody_else_is_not_removed_and_a_second_one_not_overwritten() {
    let shop = Workshop::new();
    assert!(matches!(remove(&shop.bare()), Err(Error::Hook { .. })));
    let before = shop.bare().join("hooks/post-receive.before-tubepost");
    fs::write(&before, "mine").unwrap();
    let error = install(&shop.bare(), &command(Path::new("/bin/true"))).unwrap_err();
    assert!(error.to_string().contains("before-tubepost"), "{error}");
    assert_eq!(fs::read_to_string(before).unwrap(), "mine");
}
