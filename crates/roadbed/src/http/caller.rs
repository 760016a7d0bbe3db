//! Where a request comes from: the peer's address, or what a trusted proxy says of its own peer.
//! What anybody else says of itself is taken off the request.

use std::net::{IpAddr, SocketAddr};

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use ipnet::IpNet;

use crate::config::ForwardedHeader;

const FORWARDED: HeaderName = header::FORWARDED;
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// All headers by which a proxy speaks of its peer.
const SPOKEN: [HeaderName; 4] = [FORWARDED, FORWARDED_FOR, FORWARDED_HOST, FORWARDED_PROTO];

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) address: IpAddr,
    pub(super) is_secure: bool,
}

/// Who asks, as far as the network tells; an extension of the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Caller {
    /// None where no connection is behind the request, as in tests.
    pub(crate) address: Option<IpAddr>,
    /// Whether the caller's own connection is encrypted.
    pub(crate) is_secure: bool,
}

/// The proxies that are believed, and by which header.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proxies {
    pub(crate) trusted: Vec<IpNet>,
    pub(crate) header: ForwardedHeader,
}

/// What a proxy says: each hop's peer, the first caller first, and what the caller has asked it for.
#[derive(Default)]
struct Said {
    hops: Vec<String>,
    proto: Option<String>,
    host: Option<String>,
}

impl Proxies {
    /// Puts the [`Caller`] on a request, which keeps of what is said of it only what is believed.
    pub(super) fn meet(&self, request: &mut Request) -> Caller {
        let peer = request.extensions().get::<Peer>().copied();
        let caller = match peer {
            Some(peer) if self.trusts(peer.address) => self.believed(peer, request.headers_mut()),
            Some(_) | None => {
                for name in SPOKEN {
                    request.headers_mut().remove(name);
                }
                let (address, is_secure) = (peer.map(|peer| peer.address), peer.is_some_and(|peer| peer.is_secure));
                Caller { address, is_secure }
            }
        };
        request.extensions_mut().insert(caller);
        caller
    }

    fn believed(&self, peer: Peer, headers: &mut HeaderMap) -> Caller {
        let said = match self.header {
            ForwardedHeader::Forwarded => forwarded(headers),
            ForwardedHeader::XForwarded => x_forwarded(headers),
        };
        // The proxy passes on what its caller has said in the form that it does not speak itself.
        for name in SPOKEN.iter().filter(|name| (**name == FORWARDED) != (self.header == ForwardedHeader::Forwarded)) {
            headers.remove(name);
        }
        if let Some(host) = said.host.and_then(|host| HeaderValue::try_from(host).ok()) {
            headers.insert(header::HOST, host);
        }
        let is_secure = said.proto.map_or(peer.is_secure, |proto| proto.eq_ignore_ascii_case("https"));
        Caller { address: Some(self.first_stranger(peer.address, &said.hops)), is_secure }
    }

    /// The last hop that is not ours. What stands before it is what a stranger has said.
    fn first_stranger(&self, peer: IpAddr, hops: &[String]) -> IpAddr {
        let mut address = peer;
        for hop in hops.iter().rev() {
            match read_address(hop) {
                Some(found) if self.trusts(address) => address = found,
                Some(_) | None => break,
            }
        }
        address
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&address))
    }
}

/// The elements of a header that is a list, over all its lines.
fn elements(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(|element| element.trim().to_owned()).collect()
}

fn x_forwarded(headers: &HeaderMap) -> Said {
    Said {
        hops: elements(headers, &FORWARDED_FOR),
        proto: elements(headers, &FORWARDED_PROTO).pop(),
        host: elements(headers, &FORWARDED_HOST).pop(),
    }
}

/// RFC 7239.
fn forwarded(headers: &HeaderMap) -> Said {
    let mut said = Said::default();
    for element in elements(headers, &FORWARDED) {
        // An element that names no address hides one.
        let mut hop = String::new();
        for (name, value) in element.split(';').filter_map(|pair| pair.split_once('=')) {
            let value = value.trim().trim_matches('"').to_owned();
            match name.trim().to_ascii_lowercase().as_str() {
                "for" => hop = value,
                "proto" => said.proto = Some(value),
                "host" => said.host = Some(value),
                _ => {}
            }
        }
        said.hops.push(hop);
    }
    said
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`.
fn read_address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let alone = bare.parse::<IpAddr>().ok();
    let found = alone.or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    found.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn met(header: ForwardedHeader, peer: &str, lines: &[(&str, &str)]) -> (String, bool, Vec<String>) {
        let trusted = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap()).to_vec();
        let mut request = lines.iter().fold(Request::builder(), |r, (name, value)| r.header(*name, *value));
        request = request.extension(Peer { address: peer.parse().unwrap(), is_secure: false });
        let mut request = request.body(Body::empty()).unwrap();
        let caller = Proxies { trusted, header }.meet(&mut request);
        let kept = request.headers().keys().map(ToString::to_string).collect();
        (caller.address.unwrap().to_string(), caller.is_secure, kept)
    }

    fn x(peer: &str, lines: &[(&str, &str)]) -> (String, bool, Vec<String>) {
        met(ForwardedHeader::XForwarded, peer, lines)
    }

    #[test]
    fn a_stranger_is_not_believed_and_what_it_says_is_dropped() {
        let lines = [("x-forwarded-for", "1.2.3.4"), ("x-forwarded-proto", "https"), ("forwarded", "for=1.2.3.4")];
        assert_eq!(x("11.0.0.1", &lines), ("11.0.0.1".into(), false, vec![]));
    }

    #[test]
    fn a_trusted_proxy_tells_the_caller_and_its_protocol() {
        let lines = [("x-forwarded-for", "1.2.3.4"), ("x-forwarded-proto", "https"), ("x-forwarded-host", "a.example")];
        let (address, is_secure, kept) = x("10.9.9.9", &lines);
        assert_eq!((address.as_str(), is_secure), ("1.2.3.4", true));
        assert!(kept.contains(&"host".to_owned()), "{kept:?}");
    }

    #[test]
    fn what_stands_before_the_first_stranger_is_not_believed() {
        assert_eq!(x("10.0.0.1", &[("x-forwarded-for", "6.6.6.6, 1.2.3.4, 10.0.0.2")]).0, "1.2.3.4");
        assert_eq!(x("10.0.0.1", &[("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "1.2.3.4")]).0, "1.2.3.4");
        assert_eq!(x("10.0.0.1", &[("x-forwarded-for", "1.2.3.4, nonsense")]).0, "10.0.0.1");
        assert_eq!(x("10.0.0.1", &[("x-forwarded-for", "10.0.0.3")]).0, "10.0.0.3");
        assert_eq!(x("10.0.0.1", &[]).0, "10.0.0.1");
    }

    #[test]
    fn only_the_header_that_is_set_is_believed() {
        let lines = [("forwarded", "for=6.6.6.6;proto=https"), ("x-forwarded-for", "1.2.3.4")];
        assert_eq!(x("10.0.0.1", &lines), ("1.2.3.4".into(), false, vec!["x-forwarded-for".into()]));
        let (address, is_secure, kept) = met(ForwardedHeader::Forwarded, "10.0.0.1", &lines);
        assert_eq!((address.as_str(), is_secure, kept), ("6.6.6.6", true, vec!["forwarded".to_owned()]));
    }

    #[test]
    fn addresses_are_read_in_all_their_forms() {
        for (text, address) in [
            ("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60"),
            ("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            ("for=192.0.2.43, for=\"[fd00::1]\"", "192.0.2.43"),
            ("for=\"192.0.2.43:80\"", "192.0.2.43"),
            ("for=\"[::ffff:192.0.2.1]\"", "192.0.2.1"),
            ("for=unknown", "10.0.0.1"),
            ("for=_hidden, for=10.0.0.2", "10.0.0.2"),
        ] {
            assert_eq!(met(ForwardedHeader::Forwarded, "10.0.0.1", &[("forwarded", text)]).0, address, "{text}");
        }
    }
}
