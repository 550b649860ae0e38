//! The file of a form (RFC 7578): what a browser's upload sends. Only as much as that needs.

/// The first part that is a file or is named `file`.
///
/// # Errors
/// It is no form, or there is no file in it.
pub(crate) fn file<'a>(content_type: &str, body: &'a [u8]) -> Result<&'a [u8], String> {
    let boundary = boundary(content_type).ok_or("the content type names no boundary")?;
    let delimiter = format!("--{boundary}");
    let mut rest = after(body, delimiter.as_bytes()).ok_or("the boundary is not in the body")?;
    loop {
        if rest.starts_with(b"--") {
            return Err("no part is a file, or is named 'file'".to_owned());
        }
        let part = rest.strip_prefix(b"\r\n").ok_or("a boundary is not the end of its line")?;
        let blank = find(part, b"\r\n\r\n").ok_or("a part has no end of its head")?;
        let (head, content) = part.split_at(blank);
        let content = content.get(4..).unwrap_or_default();
        let end = find(content, format!("\r\n{delimiter}").as_bytes())
            .ok_or("the last boundary is missing: the body is cut off")?;
        let (content, behind) = content.split_at(end);
        if is_file(&String::from_utf8_lossy(head)) {
            return Ok(content);
        }
        rest = behind.get(2 + delimiter.len()..).unwrap_or_default();
    }
}

fn boundary(content_type: &str) -> Option<&str> {
    let parameters = content_type.split(';').skip(1);
    let boundary = parameters.map(str::trim).find_map(|it| it.strip_prefix("boundary="))?;
    let boundary = boundary.trim_matches('"');
    // RFC 2046 §5.1.1.
    (1..=70).contains(&boundary.len()).then_some(boundary)
}

fn is_file(head: &str) -> bool {
    let head = head.to_ascii_lowercase();
    let disposition = head.lines().find(|line| line.starts_with("content-disposition:"));
    disposition.is_some_and(|it| it.contains("filename=") || it.contains("name=\"file\""))
}

fn after<'a>(text: &'a [u8], what: &[u8]) -> Option<&'a [u8]> {
    text.get(find(text, what)? + what.len()..)
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=\"x-y\"";

    #[test]
    fn the_file_of_a_form_is_found_among_its_parts() {
        let body = b"--x-y\r\nContent-Disposition: form-data; name=\"redirect\"\r\n\r\nno\r\n\
            --x-y\r\nContent-Disposition: form-data; name=\"f\"; filename=\"d.json\"\r\n\
            Content-Type: application/json\r\n\r\n{\"a\":\r\n1}\r\n--x-y--\r\n";
        assert_eq!(file(TYPE, body).unwrap(), b"{\"a\":\r\n1}");
    }

    #[test]
    fn what_is_no_form_with_a_file_is_refused_with_the_reason() {
        let part = b"--x-y\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--x-y--";
        for (of_type, body, expected) in [
            (TYPE, &b""[..], "boundary is not in"),
            ("multipart/form-data", part, "names no boundary"),
            (TYPE, part, "no part is a file"),
            (TYPE, b"--x-y\r\nx", "no end of its head"),
            (TYPE, b"--x-yz\r\n", "end of its line"),
            (TYPE, b"--x-y\r\na: b\r\n\r\n1", "cut off"),
        ] {
            let said = file(of_type, body).unwrap_err();
            assert!(said.contains(expected), "{said}");
        }
    }
}
