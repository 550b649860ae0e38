//! A bound on memory for the decoders: what they allocate follows the size of what they are given,
//! whatever lengths it claims.

/// Runs a decoder on `octets` many octets. A field in memory is up to 40 times as large as on the
/// wire (an empty name with no value is two octets), and a list grows by doubling.
///
/// # Panics
/// It allocated more than that.
pub fn bounded<T>(octets: usize, decode: impl FnOnce() -> T) -> T {
    let mut decoded = None;
    let allocated = allocation_counter::measure(|| decoded = Some(decode())).bytes_total;
    let bound = (octets * 40 * 4 + 4096) as u64;
    assert!(allocated <= bound, "{allocated} bytes allocated for {octets}, the bound is {bound}");
    let Some(decoded) = decoded else { unreachable!("the decoder was run") };
    decoded
}
