//! Programs with Qpid Proton for C++: that of `tests/cpp`, and two of Proton's own examples.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::{project, step::run_command};

/// Where Debian puts the examples.
pub(super) const EXAMPLES: &str = "/usr/share/proton/examples/cpp";

/// The folder of the programs; compiled anew when a source or the compiler changed.
///
/// # Errors
/// One does not compile, with the compiler's own words above.
pub(super) fn programs(home: &Path) -> Result<PathBuf> {
    let ours = project::root().join("tests/cpp");
    let sources = [
        ours.join("proton_peer.cpp"),
        Path::new(EXAMPLES).join("simple_send.cpp"),
        Path::new(EXAMPLES).join("simple_recv.cpp"),
    ];
    let version = Command::new("c++").arg("--version").output().context("c++")?;
    let mut stamp_text = String::from_utf8_lossy(&version.stdout).into_owned();
    for source in &sources {
        stamp_text += &fs::read_to_string(source)
            .with_context(|| format!("{} cannot be read", source.display()))?;
    }
    let folder = home.join("cpp");
    let stamp = folder.join("made-from.txt");
    if fs::read_to_string(&stamp).is_ok_and(|text| text == stamp_text) {
        return Ok(folder);
    }
    fs::create_dir_all(&folder)?;
    for source in &sources {
        let program = folder.join(source.file_stem().context("a source has a name")?);
        println!("compiling {}", program.display());
        let mut compiler = Command::new("c++");
        compiler.args(["-std=c++17", "-O1", "-o"]).arg(&program).arg(source);
        run_command(compiler.arg("-lqpid-proton-cpp"))?;
    }
    fs::write(&stamp, stamp_text)?;
    Ok(folder)
}
