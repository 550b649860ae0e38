//! What an event says, in HTML: shown and never obeyed.

use super::*;
use crate::{digest::tests::digest, notice::sample};

fn sheet() -> Sheet<'static> {
    Sheet {
        patch_bytes_max: 10_000,
        page_url: Some("https://bus.example.org/"),
        unsubscribe_url: Some("https://bus.example.org/unsubscribe/t0ken"),
    }
}

fn rendered(change: impl FnOnce(&mut Event, &mut Description)) -> String {
    let (mut event, mut description) = sample();
    change(&mut event, &mut description);
    let notice = digest(1, |_, one, told| {
        (*one, *told) = (event.clone(), description.clone());
    });
    render(&notice, &sheet())
}

/// All tags of the body, without what is between.
fn tags(html: &str) -> Vec<String> {
    let (_, body) = html.split_once("<body>").unwrap();
    body.split('<').skip(1).map(|tag| tag.split('>').next().unwrap().to_owned()).collect()
}

#[test]
fn a_patch_has_colours_and_everything_has_its_place() {
    let html = rendered(|_, _| {});
    assert!(
        html.contains(
            "<pre><span class=\"file\">diff --git a/s.c b/s.c\n</span>\
             <span class=\"del\">-\twake(a);\n</span><span class=\"add\">+\twake(b);\n</span></pre>"
        ),
        "{html}"
    );
    assert!(html.contains("<h1><a href=\"https://git.example.org/kernel/c/1f2e3d\">ada pushed"));
    assert!(html.contains("<a href=\"https://bus.example.org/unsubscribe/t0ken\">Unsubscribe</a>"));
    assert!(html.contains("<code>tubepost notify rule edit r7</code>"));
}

#[test]
fn nothing_is_loaded_from_elsewhere() {
    let html = rendered(|_, d| d.icon = Some("https://evil.example/beacon.png".to_owned()));
    for loads in ["<img", "<script", "<link", "<iframe", "url(", "@import", "src=", "beacon"] {
        assert!(!html.contains(loads), "{loads}\n{html}");
    }
}

#[test]
fn no_text_of_an_event_becomes_markup_or_a_link_that_runs() {
    let honest = tags(&rendered(|_, _| {}));
    for evil in [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "' onmouseover='alert(1)",
        "</pre></div></body><h1>owned",
        "&lt;b&gt;<!-- ",
        "\u{1b}[2J\u{202e}]]>",
    ] {
        let text = || evil.to_owned();
        let html = rendered(|event, d| {
            event.id = text();
            d.summary = text();
            d.app = text();
            d.text = Some(text());
            d.object = Some(text());
            d.patch = Some(text());
            d.link = Some(format!("https://x.example/{evil}"));
        });
        let same = |tag: &String| {
            !tag.starts_with("a href")
                && !tag.starts_with("span")
                && !tag.starts_with("/span")
                && tag != "/a"
        };
        let of = |tags: &[String]| tags.iter().filter(|tag| same(tag)).cloned().collect::<Vec<_>>();
        assert_eq!(of(&tags(&html)), of(&honest), "{evil}\n{html}");
        assert!(!html.contains(evil) || !evil.contains(['<', '"', '\'']), "{html}");
        assert!(!html.contains(|c: char| c.is_control() && c != '\n' && c != '\t'));
        assert!(!html.contains('\u{202e}'));
    }
    for link in
        ["javascript:alert(1)", "data:text/html,x", "JaVaScRiPt:https://x", "/x", "https://a b"]
    {
        let html = rendered(|_, d| d.link = Some(link.to_owned()));
        let of_us = tags(&html).iter().filter(|tag| tag.starts_with("a href")).count();
        assert_eq!(of_us, 2, "{link}\n{html}");
    }
}

#[test]
fn a_digest_is_by_object_and_of_a_bounded_size() {
    let notice = digest(10_000, |number, _, told| {
        told.object = Some(format!("git/<b>{}", number % 100));
        told.severity = if number % 7 == 0 { Severity::Error } else { Severity::Info };
    });
    let html = render(&notice, &sheet());
    assert!(html.contains("<h1>10000 events</h1>"));
    assert!(html.contains("<h2>git/&lt;b&gt;0: 100 git.receive, 15 failed</h2>"), "{html}");
    assert!(html.contains("and 80 more"), "{html}");
    assert!(html.len() < 400_000, "{} bytes", html.len());
}

#[test]
fn patches_of_several_commits_have_headings_and_everything_in_them_is_escaped() {
    let notice = digest(2, |number, _, told| {
        told.summary = format!("<b>push {number}");
        told.link = Some(if number == 0 { "javascript:x" } else { "https://x.org/1" }.to_owned());
        told.patch = Some("diff --git a/<i> b/x\n@@ -0,0 +1 @@\n+</pre><script>\n".to_owned());
    });
    let html = render(&notice, &sheet());
    let second = "<h2><a href=\"https://x.org/1\">&lt;b&gt;push 1</a></h2>\n\
                  <p class=\"over\">1 file changed, 1 insertion(+)</p>\n\
                  <pre><span class=\"file\">diff --git a/&lt;i&gt; b/x\n</span>";
    assert!(html.contains(second), "{html}");
    assert!(html.contains("<h2>&lt;b&gt;push 0</h2>") && !html.contains("<script"), "{html}");
    assert!(!html.contains("javascript:"), "{html}");
}
