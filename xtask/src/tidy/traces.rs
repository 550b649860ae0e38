//! Traces of the machine a file was written on: hosts of package registries, absolute paths.
//! Whoever clones the project has other mirrors and other folders.

use super::{Finding, TextFile};

/// In two pieces, so that this file does not find itself.
const HOSTS: [(&str, &str); 9] = [
    ("index.crates", ".io"),
    ("static.crates", ".io"),
    ("registry.npmjs", ".org"),
    ("registry.yarnpkg", ".com"),
    ("pypi", ".org"),
    ("files.python", "hosted.org"),
    ("deb.debian", ".org"),
    ("security.debian", ".org"),
    ("proxy.golang", ".org"),
];
const FOLDERS: [&str; 3] = ["work", "root", "tmp"];

/// Every line that names one.
pub(super) fn check(file: &TextFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    let is_lock = file.path.ends_with("package-lock.json");
    for (index, line) in file.text.lines().enumerate() {
        let mut found = |what: String, mend: &str| {
            findings.push(Finding::new(&file.path, index + 1, what, mend));
        };
        for (left, right) in HOSTS {
            if line.contains(&format!("{left}{right}")) {
                let mend = "leave the registry to each machine's own configuration";
                found(format!("the registry host {left}{right}"), mend);
            }
        }
        if is_lock && line.trim_start().starts_with("\"resolved\": \"http") {
            let mend = "npm install with omit-lockfile-registry-resolved=true (tests/node/.npmrc)";
            found("the address of a registry".into(), mend);
        }
        for folder in FOLDERS {
            if names_folder(line, folder) {
                let mend = "say it relative to the checkout, or use a temporary directory";
                found(format!("a path under /{folder}"), mend);
            }
        }
    }
    findings
}

/// Whether the line has `/folder/` as the beginning of a path, not in the middle of one.
fn names_folder(line: &str, folder: &str) -> bool {
    line.match_indices(&format!("/{folder}/")).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|letter| letter.is_alphanumeric() || ".-_~/})>%*$".contains(letter))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        check(&TextFile::test(path, text)).iter().map(|finding| finding.what.clone()).collect()
    }

    #[test]
    fn a_registry_host_is_found_and_the_index_name_in_cargo_lock_is_not() {
        let line = format!("--index-url https://{}/simple", "pypi.".to_owned() + "org");
        assert_eq!(found("a.txt", &line).len(), 1);
        let lock = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
        assert_eq!(found("Cargo.lock", lock), [""; 0]);
    }

    #[test]
    fn an_address_in_a_lock_file_is_found() {
        let line = "      \"resolved\": \"https://mirror.example/amqplib.tgz\",";
        assert_eq!(found("tests/node/package-lock.json", line), ["the address of a registry"]);
    }

    #[test]
    fn a_path_of_this_machine_is_found_and_a_path_within_the_checkout_is_not() {
        for folder in FOLDERS {
            assert_eq!(found("a.md", &format!("see `/{folder}/x`")).len(), 1, "{folder}");
            assert_eq!(found("a.md", &format!("see `crates/{folder}/x`")), [""; 0], "{folder}");
            assert_eq!(found("a.md", &format!("see `{{dir}}/{folder}/x`")), [""; 0], "{folder}");
        }
    }
}
