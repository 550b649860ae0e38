//! The address of a commit on somebody's web front end, as a template.

use std::{fmt::Write as _, str::FromStr};

use crate::Error;

/// `https://src.example.org/{repo_fullname}/c/{rev}?branch={branch}`. Values are percent-encoded,
/// slashes stay. `{repo_fullname}` is `namespace/repo`, or `repo` where there is no namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlTemplate {
    pieces: Vec<Piece>,
}

/// What a template is filled with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UrlValues<'a> {
    pub(crate) repo: &'a str,
    pub(crate) namespace: Option<&'a str>,
    pub(crate) rev: &'a str,
    pub(crate) branch: &'a str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Repo,
    Namespace,
    RepoFullname,
    Rev,
    Branch,
}

impl UrlTemplate {
    pub(crate) fn fill(&self, values: UrlValues<'_>) -> String {
        let mut url = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => url.push_str(text),
                Piece::Repo => encode(values.repo, &mut url),
                Piece::Namespace => encode(values.namespace.unwrap_or_default(), &mut url),
                Piece::RepoFullname => {
                    if let Some(namespace) = values.namespace {
                        encode(namespace, &mut url);
                        url.push('/');
                    }
                    encode(values.repo, &mut url);
                }
                Piece::Rev => encode(values.rev, &mut url),
                Piece::Branch => encode(values.branch, &mut url),
            }
        }
        url
    }
}

impl FromStr for UrlTemplate {
    type Err = Error;

    fn from_str(template: &str) -> Result<UrlTemplate, Error> {
        let fault = |reason: String| Error::UrlTemplate { reason };
        let mut pieces = Vec::new();
        let mut rest = template;
        while let Some((text, behind)) = rest.split_once('{') {
            pieces.push(Piece::Text(text.to_owned()));
            let (name, behind) =
                behind.split_once('}').ok_or_else(|| fault("has '{' without '}'".to_owned()))?;
            pieces.push(match name {
                "repo" => Piece::Repo,
                "namespace" => Piece::Namespace,
                "repo_fullname" => Piece::RepoFullname,
                "rev" => Piece::Rev,
                "branch" => Piece::Branch,
                _ => return Err(fault(format!("has {{{name}}}: expected one of {KNOWN}"))),
            });
            rest = behind;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        if !template.starts_with("http://") && !template.starts_with("https://") {
            return Err(fault(
                "is not a web address: it begins with http:// or https://".to_owned(),
            ));
        }
        Ok(UrlTemplate { pieces })
    }
}

fn encode(value: &str, url: &mut String) {
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                url.push(byte.into());
            }
            // Writing to a String cannot fail.
            _ => _ = write!(url, "%{byte:02X}"),
        }
    }
}

const KNOWN: &str = "{repo}, {namespace}, {repo_fullname}, {rev}, {branch}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_filled_in_and_encoded() {
        let template: UrlTemplate =
            "https://x.org/{repo_fullname}/c/{rev}?branch={branch}".parse().unwrap();
        let mut values =
            UrlValues { repo: "a&b", namespace: Some("rpms"), rev: "12ab", branch: "f/ü#1" };
        assert_eq!(template.fill(values), "https://x.org/rpms/a%26b/c/12ab?branch=f/%C3%BC%231");
        values.namespace = None;
        assert_eq!(template.fill(values), "https://x.org/a%26b/c/12ab?branch=f/%C3%BC%231");
    }

    #[test]
    fn an_unknown_name_is_refused_with_those_known() {
        let error = "https://x/{commit}".parse::<UrlTemplate>().unwrap_err().to_string();
        assert!(error.contains("{commit}") && error.contains("{rev}"), "{error}");
        assert!("https://x/{rev".parse::<UrlTemplate>().is_err());
        assert!("x.org/{rev}".parse::<UrlTemplate>().is_err());
    }
}
