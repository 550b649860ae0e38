//! Embeds the files of `schemas/` with what is needed to choose among them, so that a process
//! parses only those it uses. Nothing is checked here; the crate's tests do that.

use std::{env, fmt::Write as _, fs, path::PathBuf};

use serde_json::Value;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder =
        PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../schemas").canonicalize()?;
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut paths: Vec<PathBuf> = fs::read_dir(&folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let mut list = String::from("&[\n");
    for path in &paths {
        let at = |error: serde_json::Error| format!("{}: {error}", path.display());
        let file: Value = serde_json::from_str(&fs::read_to_string(path)?).map_err(at)?;
        let strings = |key: &str| -> Vec<&str> {
            file[key].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
        };
        writeln!(
            list,
            "    Shipped {{ file: {:?}, name: {:?}, wire_name: {:?}, names: &{:?}, topics: &{:?}, \
             deprecated: {}, text: include_str!({path:?}) }},",
            path.file_name().and_then(|name| name.to_str()).ok_or("a name not UTF-8")?,
            file["name"].as_str().unwrap_or_default(),
            file["fedora"]["schema"].as_str().or(file["name"].as_str()).unwrap_or_default(),
            strings("names"),
            strings("topics"),
            file["deprecated"] == true,
        )?;
    }
    list.push_str("]\n");
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("shipped.rs"), list)?;
    Ok(())
}
