//! Headers that fit into a frame: AMQP 0-9-1 sends all of them in one, AMQP 1.0 in many.

use std::cmp::Reverse;

use amqp091::{BasicProperties, PropertyList};
use bytes::BytesMut;

/// Leaves headers out, the largest first, until the property list has at most `size_max` octets;
/// gives how many. For whoever knows the receiver's `frame-max`: it would give up its connection
/// over a larger frame. Without headers a list has less than 4 KiB, which every receiver takes.
pub fn fit(properties: &mut BasicProperties, size_max: usize) -> usize {
    let size = PropertyList::from(&*properties).as_bytes().len();
    let mut excess = size.saturating_sub(size_max);
    if excess == 0 {
        return 0;
    }
    let Some(headers) = properties.headers.take() else { return 0 };
    let mut sizes: Vec<(usize, usize)> = headers
        .iter()
        .map(|(name, value)| {
            let mut out = BytesMut::new();
            name.encode(&mut out);
            value.encode(&mut out);
            out.len()
        })
        .enumerate()
        .collect();
    sizes.sort_by_key(|(_, size)| Reverse(*size));
    let mut kept = vec![true; sizes.len()];
    let mut left_out = 0;
    for (index, size) in sizes {
        if excess == 0 {
            break;
        }
        excess = excess.saturating_sub(size);
        left_out += 1;
        if let Some(kept) = kept.get_mut(index) {
            *kept = false;
        }
    }
    let kept = headers.into_iter().zip(kept).filter(|(_, kept)| *kept);
    properties.headers = Some(kept.map(|(header, _)| header).collect());
    left_out
}

#[cfg(test)]
mod tests {
    use amqp091::{FieldValue, ShortStr};

    use super::*;

    fn properties(sizes: &[usize]) -> BasicProperties {
        let header = |(index, size): (usize, &usize)| {
            let name = ShortStr::truncated(&index.to_string());
            (name, FieldValue::from("x".repeat(*size)))
        };
        BasicProperties {
            headers: Some(sizes.iter().enumerate().map(header).collect()),
            priority: Some(1),
            ..BasicProperties::default()
        }
    }

    fn size(properties: &BasicProperties) -> usize {
        PropertyList::from(properties).as_bytes().len()
    }

    #[test]
    fn the_largest_headers_go_first_and_only_as_many_as_must() {
        let whole = properties(&[10, 1000, 20, 500, 30]);
        let mut fitted = whole.clone();
        assert_eq!((fit(&mut fitted, size(&whole)), &fitted), (0, &whole));
        let mut fitted = whole.clone();
        assert_eq!(fit(&mut fitted, size(&whole) - 1), 1);
        let names = |it: &BasicProperties| {
            let headers = it.headers.clone().unwrap_or_default();
            headers.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(names(&fitted), ["0", "2", "3", "4"]);
        let mut fitted = whole.clone();
        assert_eq!(fit(&mut fitted, 200), 2);
        assert_eq!(names(&fitted), ["0", "2", "4"]);
        assert!(size(&fitted) <= 200);
    }

    #[test]
    fn what_never_fits_keeps_its_properties() {
        let mut fitted = properties(&[5, 5]);
        assert_eq!((fit(&mut fitted, 0), fitted.priority), (2, Some(1)));
        let mut bare = BasicProperties { priority: Some(1), ..BasicProperties::default() };
        assert_eq!(fit(&mut bare, 0), 0);
    }
}
