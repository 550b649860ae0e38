//! A message for one browser: RFC 8291's keys, and one record of the content encoding `aes128gcm`
//! (RFC 8188). Pure but for its randomness, which may be handed in.

use aws_lc_rs::{
    aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree},
    hkdf::{HKDF_SHA256, Salt},
};

/// Encrypts for the owner of a public key (a point of P-256, uncompressed) and the secret that the
/// browser made with it. `None` when that is no key, or the message is too long.
pub(super) fn encrypt(message: &[u8], browser: &[u8], secret: &[u8]) -> Option<Vec<u8>> {
    let ours = PrivateKey::generate(&ECDH_P256).ok()?;
    let mut salt = [0; SALT_BYTES];
    getrandom::fill(&mut salt).ok()?;
    encrypt_with(message, browser, secret, &ours, salt)
}

fn encrypt_with(
    message: &[u8],
    browser: &[u8],
    secret: &[u8],
    ours: &PrivateKey,
    salt: [u8; SALT_BYTES],
) -> Option<Vec<u8>> {
    if message.len() > MESSAGE_BYTES_MAX {
        return None;
    }
    let public = ours.compute_public_key().ok()?;
    let public = public.as_ref();
    // RFC 8291 §3.3 and §3.4.
    let theirs = UnparsedPublicKey::new(&ECDH_P256, browser);
    let shared = agree(ours, theirs, (), |shared| Ok(shared.to_vec())).ok()?;
    let input = expanded(secret, &shared, &[b"WebPush: info\0", browser, public])?;
    // RFC 8188 §2.2 and §2.3: the first bytes of what HKDF expands to.
    let key = expanded(&salt, &input, &[b"Content-Encoding: aes128gcm\0"])?;
    let nonce = expanded(&salt, &input, &[b"Content-Encoding: nonce\0"])?;
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, key.get(..16)?).ok()?);
    let nonce = Nonce::try_assume_unique_for_key(nonce.get(..12)?).ok()?;

    let mut record = message.to_vec();
    record.push(LAST_RECORD);
    key.seal_in_place_append_tag(nonce, Aad::empty(), &mut record).ok()?;
    let mut body = salt.to_vec();
    body.extend_from_slice(&RECORD_SIZE.to_be_bytes());
    body.push(u8::try_from(public.len()).ok()?);
    body.extend_from_slice(public);
    body.append(&mut record);
    Some(body)
}

/// HKDF's 32 bytes (RFC 5869).
fn expanded(salt: &[u8], input: &[u8], info: &[&[u8]]) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let extracted = Salt::new(HKDF_SHA256, salt).extract(input);
    extracted.expand(info, HKDF_SHA256).ok()?.fill(&mut bytes).ok()?;
    Some(bytes)
}

/// What a service must take is 4,096 bytes (RFC 8030 §7.2), of which the head has 86, the tag 16,
/// and the delimiter one.
pub(super) const MESSAGE_BYTES_MAX: usize = 4096 - 86 - 16 - 1;
const RECORD_SIZE: u32 = 4096;
/// RFC 8188 §2: the delimiter of the last record.
const LAST_RECORD: u8 = 2;
const SALT_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

    use super::*;

    fn bytes(text: &str) -> Vec<u8> {
        BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()
    }

    /// The keys of RFC 8291, Appendix A.
    const BROWSER: &str = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8p\
                           ZGH6SRpkNtoIAiw4";
    const SECRET: &str = "BTBZMqHH6r4Tts7J_aSIgg";

    #[test]
    fn the_example_of_the_rfc_is_encrypted_to_the_byte() {
        let ours = bytes("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw");
        let ours = PrivateKey::from_private_key(&ECDH_P256, &ours).unwrap();
        let salt = bytes("DGv6ra1nlYgDCS1FRnbzlw").try_into().unwrap();
        let message = b"When I grow up, I want to be a watermelon";
        let body = encrypt_with(message, &bytes(BROWSER), &bytes(SECRET), &ours, salt).unwrap();
        let expected = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIg\
                        Dll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVB\
                        St2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN";
        assert_eq!(BASE64_URL_SAFE_NO_PAD.encode(body), expected);
    }

    #[test]
    fn no_two_messages_are_alike_and_none_is_too_long() {
        let longest = vec![b'x'; MESSAGE_BYTES_MAX];
        let encrypt = |message: &[u8]| encrypt(message, &bytes(BROWSER), &bytes(SECRET));
        let (one, two) = (encrypt(&longest).unwrap(), encrypt(&longest).unwrap());
        assert_eq!(one.len(), 4096);
        assert_ne!(one, two);
        assert_eq!(encrypt(&vec![b'x'; MESSAGE_BYTES_MAX + 1]), None);
    }

    #[test]
    fn what_is_no_point_of_the_curve_encrypts_nothing() {
        let mut off = bytes(BROWSER);
        off[64] ^= 1;
        for browser in [off, vec![4; 65], vec![], vec![0; 65]] {
            assert_eq!(super::encrypt(b"x", &browser, &bytes(SECRET)), None);
        }
    }
}
