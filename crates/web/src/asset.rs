//! The files a browser loads beside the pages: in the binary, under addresses that name their
//! content, so that they are kept for ever and a new version is a new address.

use std::sync::LazyLock;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use event::fnv_1a;

/// One embedded file.
#[derive(Debug)]
pub(crate) struct Asset {
    /// `/assets/feed.0123456789abcdef.css`
    pub(crate) path: String,
    media_type: &'static str,
    etag: String,
    content: &'static [u8],
}

/// The style sheet.
pub(crate) static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("feed", "css", include_bytes!("../assets/feed.css")));
/// The page's script, an ES module.
pub(crate) static SCRIPT: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("feed", "js", include_bytes!("../assets/feed.js")));
/// The description of the API.
pub(crate) static OPENAPI: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("openapi", "json", include_bytes!("../assets/openapi.json")));
/// What the pages of a person have beside the style sheet.
pub(crate) static ME_STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("me", "css", include_bytes!("../assets/me.css")));
/// What a person's pages do beyond HTML.
pub(crate) static ME_SCRIPT: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("me", "js", include_bytes!("../assets/me.js")));
/// What shows notices in a browser whose pages are closed. A worker keeps its address, and a
/// browser asks whether it changed.
pub(crate) static WORKER: LazyLock<Asset> = LazyLock::new(|| Asset {
    path: "/worker.js".to_owned(),
    ..Asset::new("worker", "js", include_bytes!("../assets/worker.js"))
});
/// The icon.
pub(crate) static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon", "svg", include_bytes!("../assets/icon.svg")));

/// The asset of an address.
pub(crate) fn find(path: &str) -> Option<&'static Asset> {
    let all = [&STYLE, &SCRIPT, &ME_STYLE, &ME_SCRIPT, &ICON];
    all.into_iter().map(|asset| &**asset).find(|asset| asset.path == path)
}

impl Asset {
    fn new(name: &str, extension: &str, content: &'static [u8]) -> Asset {
        let version = fnv_1a(content);
        Asset {
            path: format!("/assets/{name}.{version:016x}.{extension}"),
            media_type: match extension {
                "css" => "text/css; charset=utf-8",
                "js" => "text/javascript; charset=utf-8",
                "json" => "application/json",
                _ => "image/svg+xml",
            },
            etag: format!("\"{version:016x}\""),
            content,
        }
    }

    /// The file, or "not modified" for who has it (RFC 9110 §13.1.2).
    pub(crate) fn answer(&self, if_none_match: Option<&HeaderValue>) -> Response {
        let known = if_none_match.and_then(|value| value.to_str().ok()).is_some_and(|tags| {
            tags.split(',')
                .map(|tag| tag.trim().trim_start_matches("W/"))
                .any(|tag| tag == self.etag || tag == "*")
        });
        // What has one address for ever is asked for again.
        let kept = match self.path.starts_with("/assets/") && self.media_type != "application/json"
        {
            true => "public, max-age=31536000, immutable",
            false => "no-cache",
        };
        let headers = [
            (header::ETAG, self.etag.clone()),
            (header::CACHE_CONTROL, kept.to_owned()),
            (header::CONTENT_TYPE, self.media_type.to_owned()),
        ];
        match known {
            true => (StatusCode::NOT_MODIFIED, headers).into_response(),
            false => (headers, self.content).into_response(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_changes_with_the_content() {
        let (one, two) = (Asset::new("a", "js", b"1"), Asset::new("a", "js", b"2"));
        assert_ne!(one.path, two.path);
        assert_ne!(one.etag, two.etag);
    }

    #[test]
    fn who_has_it_is_not_sent_it_again() {
        let asset = Asset::new("a", "js", b"1");
        let status =
            |tags: &str| asset.answer(Some(&HeaderValue::from_str(tags).unwrap())).status();
        assert_eq!(status(&asset.etag), StatusCode::NOT_MODIFIED);
        assert_eq!(status(&format!("\"x\", W/{}", asset.etag)), StatusCode::NOT_MODIFIED);
        assert_eq!(status("\"x\""), StatusCode::OK);
        assert_eq!(asset.answer(None).status(), StatusCode::OK);
    }

    #[test]
    fn every_asset_is_found_by_its_address_only() {
        for asset in [&*STYLE, &*SCRIPT, &*ME_STYLE, &*ME_SCRIPT, &*ICON] {
            assert_eq!(find(&asset.path).unwrap().path, asset.path);
        }
        assert!(find("/assets/feed.js").is_none());
    }
}
