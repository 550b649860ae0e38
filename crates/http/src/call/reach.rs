//! Which machines may be called. Who may give addresses must not be able to have this machine call
//! into its own network (server-side request forgery).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which machines may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Those on the public internet.
    Public,
    /// All.
    Anywhere,
}

impl Reach {
    /// Whether an address is one of them.
    pub fn includes(self, ip: IpAddr) -> bool {
        match (self, ip) {
            (Reach::Anywhere, _) => true,
            (Reach::Public, IpAddr::V4(ip)) => is_public_4(ip),
            (Reach::Public, IpAddr::V6(ip)) => is_public_6(ip),
        }
    }
}

/// IANA's registry of special-purpose addresses (RFC 6890), and what nobody has.
fn is_public_4(ip: Ipv4Addr) -> bool {
    let octets = ip.octets();
    !(ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation()
        || ip.is_multicast()
        || matches!(
            octets,
            // This network; carriers' NAT; protocol assignments; 6to4 relays; benchmarks; reserved.
            [0, ..]
                | [100, 64..=127, ..]
                | [192, 0, 0, _]
                | [192, 88, 99, _]
                | [198, 18..=19, ..]
                | [240..=255, ..]
        ))
}

/// Only global unicast (2000::/3), and of that nothing that leads to an IPv4 address in disguise.
fn is_public_6(ip: Ipv6Addr) -> bool {
    if let Some(ip) = ip.to_ipv4_mapped() {
        return is_public_4(ip);
    }
    let [a, b, ..] = ip.segments();
    // RFC 6052: a network that has IPv6 only reaches IPv4 so.
    if (a, b) == (0x64, 0xff9b) && ip.segments()[2..6] == [0; 4] {
        let [.., w, x, y, z] = ip.octets();
        return is_public_4(Ipv4Addr::new(w, x, y, z));
    }
    let is_special = match a {
        // Protocol assignments (Teredo among them), documentation.
        0x2001 => b < 0x200 || b == 0xdb8,
        // 6to4.
        0x2002 => true,
        0x3fff => b < 0x1000,
        _ => false,
    };
    (0x2000..0x4000).contains(&a) && !is_special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_of_ones_own_network_is_not_public_in_any_spelling() {
        for ip in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "192.0.0.8",
            "198.18.0.1",
            "203.0.113.7",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "fe80::1",
            "fec0::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "64:ff9b::7f00:1",
            "64:ff9b::a00:1",
            "64:ff9b:1::808:808",
            "2002:7f00:1::1",
            "2001::1",
            "2001:db8::1",
            "3fff::1",
        ] {
            assert!(!Reach::Public.includes(ip.parse().unwrap()), "{ip}");
            assert!(Reach::Anywhere.includes(ip.parse().unwrap()));
        }
    }

    #[test]
    fn others_are() {
        for ip in [
            "8.8.8.8",
            "172.15.0.1",
            "172.32.0.1",
            "100.63.0.1",
            "100.128.0.1",
            "192.0.1.1",
            "198.20.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2606:4700::1111",
            "2001:4860:4860::8888",
        ] {
            assert!(Reach::Public.includes(ip.parse().unwrap()), "{ip}");
        }
    }
}
