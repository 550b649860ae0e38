//! Where schemas come from besides those that ship: directories, and registries of other machines.

use std::path::PathBuf;

use crate::http_url::HttpUrl;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A directory or git checkout.
    Directory(PathBuf),
    /// What `serve` has at `/schemas`, or a copy of that on any web server. Its path has no slash
    /// and no `.json` at its end.
    Registry(HttpUrl),
}

impl Source {
    /// Reads several with commas between. The fault reads behind the quoted text.
    pub(crate) fn parse_all(text: &str) -> Result<Vec<Source>, String> {
        text.split(',').map(|one| Source::parse(one.trim())).collect()
    }

    fn parse(text: &str) -> Result<Source, String> {
        if text.is_empty() || text.contains('\0') {
            return Err("is not a list of directories and addresses: expected one such as \
                        /etc/tubepost/schemas,https://mq.example.org/schemas/"
                .to_owned());
        }
        if !text.contains("://") {
            return Ok(Source::Directory(text.into()));
        }
        let url: HttpUrl = text.parse().map_err(|reason| {
            format!(
                "has an address that is none, {reason}: expected one such as \
                 https://mq.example.org/schemas/; a comma in a password is written %2C"
            )
        })?;
        let path = match url.path() {
            "" => "/schemas",
            path => path.strip_suffix(".json").unwrap_or(path),
        };
        let path = path.to_owned();
        Ok(Source::Registry(url.with_path(&path)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_and_addresses_stand_in_one_list() {
        let url = |text: &str| Source::Registry(text.parse().unwrap());
        let found =
            Source::parse_all("/a, b/c,https://h/schemas/,http://ada:x@[::1]:15670").unwrap();
        let directory = |path: &str| Source::Directory(path.into());
        let expected = [
            directory("/a"),
            directory("b/c"),
            url("https://h/schemas"),
            url("http://ada:x@[::1]:15670/schemas"),
        ];
        assert_eq!(found, expected);
        assert_eq!(
            Source::parse_all("https://h/x/schemas.json"),
            Ok(vec![url("https://h/x/schemas")])
        );
        for text in ["", "/a,", "ftp://h/schemas", "https://ada@h/"] {
            let problem = Source::parse_all(text).unwrap_err();
            assert!(problem.contains("expected one such as"), "{text}: {problem}");
        }
    }
}
