//! What a phone with the right, the wrong or a used answer sees.

use proptest::prelude::*;

use super::*;

const USER: &str = "5001";
const PASSWORD: &str = "水位 8.4 m";
/// Where the phone is.
const HOME: u128 = 1;
const ELSEWHERE: u128 = 2;

fn desk() -> Authenticator {
    let limits = NonceLimits { lifetime_ms: 60_000, most: 4 };
    Authenticator::new(Realm::new("weir").unwrap(), limits)
}

fn kept(user: &str) -> Option<Credential> {
    (user == USER).then(|| Credential::Password(PASSWORD.into()))
}

/// Challenged at `now_ms` with nonce bytes `n`.
fn challenged(desk: &mut Authenticator, now_ms: u64, n: u8) -> Vec<Challenge> {
    desk.challenges(now_ms, HOME, [n; 16], [0xee; 16], false)
}

/// What a phone with `password` answers.
fn answer(challenge: &Challenge, password: &str, nc: Option<&str>) -> String {
    let Challenge { realm, nonce, algorithm, .. } = challenge;
    let (realm, nonce) = (realm.as_str(), nonce.to_string());
    let sum = |parts: &[&str]| {
        let parts: Vec<_> = parts.iter().map(|part| part.as_bytes()).collect();
        algorithm.sum(&parts).to_string()
    };
    let ha1 = sum(&[USER, realm, password]);
    let ha2 = sum(&["REGISTER", "sip:weir"]);
    let (response, counted) = match nc {
        Some(nc) => (
            sum(&[&ha1, &nonce, nc, "c0ffee", "auth", &ha2]),
            format!(", qop=auth, nc={nc}, cnonce=\"c0ffee\""),
        ),
        None => (sum(&[&ha1, &nonce, &ha2]), String::new()),
    };
    format!(
        "Digest username=\"{USER}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"sip:weir\", \
         response=\"{response}\", algorithm={}{counted}",
        algorithm.name()
    )
}

fn check(desk: &mut Authenticator, now_ms: u64, value: &str) -> Outcome {
    check_bytes(desk, now_ms, &[value.as_bytes()])
}

fn check_bytes(desk: &mut Authenticator, now_ms: u64, authorizations: &[&[u8]]) -> Outcome {
    desk.check(now_ms, asked(authorizations), kept)
}

fn asked<'a>(authorizations: &'a [&'a [u8]]) -> Request<'a> {
    Request { method: "REGISTER", authorizations, origin: HOME }
}

fn accepted() -> Outcome {
    Outcome::Accepted { user: USER.into() }
}

fn refused(why: Refused) -> Outcome {
    Outcome::Refused { why }
}

/// Whether a header of an RFC holds the response that belongs to this password.
fn sample_is_right(realm: &str, password: &str, header: &str) -> bool {
    let answer = Authorization::parse(header.as_bytes()).unwrap();
    assert_eq!((answer.username.as_str(), answer.realm.as_str()), ("Mufasa", realm));
    let kept = Credential::Password(password.into());
    let ha1 = kept.ha1(answer.algorithm, "Mufasa", realm).unwrap();
    answer.expected(&ha1, "GET").same_as(&answer.response)
}

fn assert_sample(realm: &str, password: &str, header: &str) {
    assert!(sample_is_right(realm, password, header), "{header}");
    assert!(!sample_is_right(realm, "Circle of Lie", header), "{header}");
    let other_uri = header.replace("index.html", "other.html");
    assert!(!sample_is_right(realm, password, &other_uri), "{header}");
}

#[test]
fn the_samples_of_the_rfcs_are_right_answers() {
    // RFC 7616 §3.9.1, both algorithms.
    for (algorithm, response) in [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ] {
        let header = format!(
            "Digest username=\"Mufasa\",\r\n realm=\"http-auth@example.org\",\r\n \
             uri=\"/dir/index.html\", algorithm={algorithm},\r\n \
             nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, \
             cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, \
             response=\"{response}\", \
             opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
        );
        assert_sample("http-auth@example.org", "Circle of Life", &header);
    }
    // RFC 2617 §3.5: no algorithm is MD5.
    let header = "Digest username=\"Mufasa\", realm=\"testrealm@host.com\", \
         nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", uri=\"/dir/index.html\", qop=auth, \
         nc=00000001, cnonce=\"0a4f113b\", response=\"6629fae49393a05397450978507c4ef1\", \
         opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
    assert_sample("testrealm@host.com", "Circle Of Life", header);
    // RFC 2069 §2.4 as its erratum 749 corrects it: no qop at all.
    let header = "Digest username=\"Mufasa\", realm=\"testrealm@host.com\", \
         nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", uri=\"/dir/index.html\", \
         response=\"1949323746fe6a43ef61f9606e7febea\"";
    assert_sample("testrealm@host.com", "CircleOfLife", header);
}

#[test]
fn a_phone_is_offered_sha_256_first_and_md5_after_it() {
    let both = desk().challenges(0, HOME, [0xab; 16], [1; 16], true);
    let [first, second] = both.as_slice() else { panic!("two challenges") };
    assert_eq!(
        first.to_string(),
        "Digest realm=\"weir\", nonce=\"abababababababababababababababab\", \
         opaque=\"01010101010101010101010101010101\", algorithm=SHA-256, qop=\"auth\", stale=true"
    );
    assert!(second.to_string().contains("algorithm=MD5"));
    assert!(!challenged(&mut desk(), 0, 1)[0].to_string().contains("stale"));
}

#[test]
fn a_phone_with_the_right_password_gets_in_by_either_algorithm() {
    let mut desk = desk();
    for (n, at) in [(1, 0), (2, 1)] {
        let challenge = &challenged(&mut desk, 0, n)[at];
        assert_eq!(check(&mut desk, 1, &answer(challenge, PASSWORD, Some("00000001"))), accepted());
    }
}

#[test]
fn a_phone_that_says_nothing_is_challenged() {
    let mut desk = desk();
    let asked = Outcome::Challenge { stale: false };
    assert_eq!(check_bytes(&mut desk, 0, &[]), asked);
    assert_eq!(check(&mut desk, 0, "Bearer abc"), asked);
    // What it kept from another exchange is none of ours.
    let other = answer(&challenged(&mut desk, 0, 1)[0], PASSWORD, Some("00000001"));
    assert_eq!(check(&mut desk, 0, &other.replace("\"weir\"", "\"pbx\"")), asked);
}

#[test]
fn a_good_answer_counts_even_beside_others() {
    let mut desk = desk();
    let good = answer(&challenged(&mut desk, 0, 1)[0], PASSWORD, Some("00000001"));
    let all: [&[u8]; 3] = [b"Digest realm", b"Bearer x", good.as_bytes()];
    assert_eq!(check_bytes(&mut desk, 1, &all), accepted());
}

#[test]
fn a_wrong_password_and_an_unknown_user_read_the_same() {
    let mut desk = desk();
    let challenge = challenged(&mut desk, 0, 1)[0].clone();
    let wrong = check(&mut desk, 1, &answer(&challenge, "guess", Some("00000001")));
    let stranger = answer(&challenge, "", Some("00000001")).replace("\"5001\"", "\"5009\"");
    assert_eq!(wrong, refused(Refused::Credentials));
    assert_eq!(check(&mut desk, 1, &stranger), wrong);
}

#[test]
fn a_secret_never_reaches_a_log() {
    let password = Credential::Password("hunter2".into());
    let ha1 = Credential::Ha1 { sha256: None, md5: Some([0x77; 16]) };
    assert_eq!(format!("{password:?} {ha1:?}"), "Credential(..) Credential(..)");
}

#[test]
fn the_password_that_stands_in_for_strangers_lets_none_in() {
    let mut desk = desk();
    let header = answer(&challenged(&mut desk, 0, 1)[0], "", Some("00000001"));
    let values: &[&[u8]] = &[header.as_bytes()];
    assert_eq!(desk.check(1, asked(values), |_| None), refused(Refused::Credentials));
}

#[test]
fn a_replayed_answer_is_refused_as_a_replay() {
    let mut desk = desk();
    let challenge = challenged(&mut desk, 0, 1)[0].clone();
    let header = answer(&challenge, PASSWORD, Some("00000001"));
    assert_eq!(check(&mut desk, 1, &header), accepted());
    assert_eq!(check(&mut desk, 2, &header), refused(Refused::Replayed));
    // The next one is fine, past nine as well: nc is hexadecimal.
    for nc in ["00000009", "0000000a", "0000000B", "00000010"] {
        let header = answer(&challenge, PASSWORD, Some(nc));
        assert_eq!(check(&mut desk, 3, &header), accepted(), "{nc}");
        assert_eq!(check(&mut desk, 3, &header), refused(Refused::Replayed), "{nc}");
    }
}

#[test]
fn packets_that_overtook_each_other_are_taken_once_within_64_counts() {
    let mut desk = desk();
    let challenge = challenged(&mut desk, 0, 1)[0].clone();
    let mut send = |nc: u32| {
        let header = answer(&challenge, PASSWORD, Some(&format!("{nc:08x}")));
        check(&mut desk, 1, &header)
    };
    assert_eq!(send(100), accepted());
    assert_eq!(send(37), accepted());
    assert_eq!(send(37), refused(Refused::Replayed));
    assert_eq!(send(36), refused(Refused::Replayed));
    assert_eq!(send(u32::MAX), accepted());
    assert_eq!(send(u32::MAX), refused(Refused::Replayed));
    assert_eq!(send(100), refused(Refused::Replayed));
}

#[test]
fn an_old_nonce_asks_again_without_asking_for_the_password() {
    let mut desk = desk();
    let challenge = challenged(&mut desk, 0, 1)[0].clone();
    let header = answer(&challenge, PASSWORD, Some("00000001"));
    assert_eq!(check(&mut desk, 60_000, &header), Outcome::Challenge { stale: true });
    // Whoever guesses with it learns nothing.
    let wrong = answer(&challenge, "guess", Some("00000001"));
    assert_eq!(check(&mut desk, 60_000, &wrong), Outcome::Challenge { stale: true });
    desk.expire(60_000);
    assert_eq!(desk.nonces(), 0);
    assert_eq!(check(&mut desk, 60_000, &header), Outcome::Challenge { stale: true });
}

#[test]
fn a_password_is_judged_only_where_our_challenge_was_sent() {
    let mut desk = desk();
    let challenge = challenged(&mut desk, 0, 1)[0].clone();
    let anew = Outcome::Challenge { stale: true };
    let own = answer(&challenge, PASSWORD, Some("00000001"));
    let invented = own.replace(&challenge.nonce.to_string(), &"0".repeat(32));
    for password in [PASSWORD, "guess"] {
        let header = answer(&challenge, password, Some("00000001"));
        let values: &[&[u8]] = &[header.as_bytes()];
        let there = Request { origin: ELSEWHERE, ..asked(values) };
        assert!(!desk.is_answered_by(1, there));
        assert_eq!(desk.check(1, there, kept), anew);
        assert!(desk.is_answered_by(1, asked(values)));
        assert!(!desk.is_answered_by(60_000, asked(values)));
    }
    for value in [invented.as_str(), "Digest realm", "Bearer x"] {
        let values: &[&[u8]] = &[value.as_bytes()];
        assert!(!desk.is_answered_by(1, asked(values)), "{value}");
    }
    assert_eq!(check(&mut desk, 1, &invented), anew);
    // None of it has used up the phone's own answer.
    assert_eq!(check(&mut desk, 1, &own), accepted());
}

#[test]
fn a_device_that_does_not_count_gets_in_once_a_nonce() {
    let mut desk = desk();
    let challenge = challenged(&mut desk, 0, 1)[1].clone();
    let header = answer(&challenge, PASSWORD, None);
    assert_eq!(check(&mut desk, 1, &header), accepted());
    assert_eq!(check(&mut desk, 2, &header), Outcome::Challenge { stale: true });
    let counted = answer(&challenge, PASSWORD, Some("00000001"));
    assert_eq!(check(&mut desk, 2, &counted), refused(Refused::Replayed));
}

#[test]
fn a_flood_of_strangers_throws_no_phone_off() {
    let mut desk = desk();
    let challenge = challenged(&mut desk, 0, 1)[0].clone();
    let first = answer(&challenge, PASSWORD, Some("00000001"));
    assert_eq!(check(&mut desk, 1, &first), accepted());
    for n in 2..200 {
        challenged(&mut desk, 2, n);
        assert!(desk.nonces() <= 4);
    }
    let next = answer(&challenge, PASSWORD, Some("00000002"));
    assert_eq!(check(&mut desk, 3, &next), accepted());
}

#[test]
fn dice_that_repeat_themselves_make_no_answer_good_again() {
    let mut desk = desk();
    let header = answer(&challenged(&mut desk, 0, 1)[0], PASSWORD, Some("00000001"));
    assert_eq!(check(&mut desk, 1, &header), accepted());
    challenged(&mut desk, 2, 1);
    assert_eq!(check(&mut desk, 3, &header), refused(Refused::Replayed));
}

#[test]
fn a_kept_sum_is_as_good_as_the_password_for_its_algorithm_only() {
    let mut desk = desk();
    let challenges = challenged(&mut desk, 0, 1);
    let ha1 = Algorithm::Md5.sum(&[USER.as_bytes(), b"weir", PASSWORD.as_bytes()]).to_string();
    let md5: Vec<u8> =
        (0..16).map(|at| u8::from_str_radix(&ha1[at * 2..at * 2 + 2], 16).unwrap()).collect();
    let kept = Credential::Ha1 { sha256: None, md5: Some(md5.try_into().unwrap()) };
    let mut check = |challenge| {
        let header = answer(challenge, PASSWORD, Some("00000001"));
        desk.check(1, asked(&[header.as_bytes()]), |_| Some(kept.clone()))
    };
    let why = Refused::NoKey { algorithm: Algorithm::Sha256 };
    assert_eq!(check(&challenges[0]), refused(why));
    assert_eq!(check(&challenges[1]), accepted());
}

#[test]
fn a_header_is_read_however_the_phone_spells_it() {
    let header = b"dIGEST , future=\"a,\\\"b\", URI=sip:weir;x=1,username = \"50\\\"01\" ,, \
        Realm=\"weir\",nonce=\"n\", qop=\"auth\", nc=0000000A, cnonce=\"\", algorithm=\"md5\", \
        response=\"8CA523F5E9506FED4657C9700EEBDBEC\",";
    let read = Authorization::parse(header).unwrap();
    assert_eq!(read.username, "50\"01");
    assert_eq!(read.uri, "sip:weir;x=1");
    assert_eq!(read.algorithm, Algorithm::Md5);
    assert_eq!(read.quality, Quality::Auth { nc: 10, cnonce: String::new() });
    assert_eq!(read.response.to_string(), "8ca523f5e9506fed4657c9700eebdbec");
}

#[test]
fn a_broken_header_is_refused_by_what_is_wrong_with_it() {
    let good = answer(&challenged(&mut desk(), 0, 1)[0], PASSWORD, Some("00000001"));
    assert!(Authorization::parse(good.as_bytes()).is_ok());
    let broken = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        Authorization::parse(good.replacen(from, to, 1).as_bytes()).unwrap_err()
    };
    assert_eq!(broken("nc=00000001", "nc=1"), HeaderError::Count);
    assert_eq!(broken("nc=00000001", "nc=+0000001"), HeaderError::Count);
    assert_eq!(broken("nc=00000001", "nc=00000000"), HeaderError::Count);
    assert_eq!(broken("nc=00000001", "nc=00000001, NC=00000001"), HeaderError::Twice("nc"));
    assert_eq!(broken("nc=00000001, ", ""), HeaderError::Missing("nc"));
    assert_eq!(broken("username", "usr"), HeaderError::Missing("username"));
    assert_eq!(broken("qop=auth", "qop=auth-int"), HeaderError::Quality);
    assert_eq!(broken("SHA-256", "SHA-256-sess"), HeaderError::Algorithm);
    assert_eq!(broken("SHA-256", "MD5"), HeaderError::Response);
    assert_eq!(broken("\"c0ffee\"", "\"c0ffee"), HeaderError::Syntax);
    assert_eq!(broken("\"c0ffee\"", "\"c0ffee\" x"), HeaderError::Syntax);
    assert_eq!(broken("Digest ", "Basic "), HeaderError::OtherScheme);
    assert_eq!(broken("c0ffee", &"c".repeat(AUTHORIZATION_MAX)), HeaderError::TooLong);
    let gbk = good.replace("\"5001\"", "\"@\"").into_bytes();
    let gbk: Vec<u8> = gbk.into_iter().map(|b| if b == b'@' { 0xb0 } else { b }).collect();
    assert_eq!(Authorization::parse(&gbk).unwrap_err(), HeaderError::NotText("username"));
    let said = Refused::Malformed(HeaderError::Count).said();
    assert!(said.zh.contains("nc") && said.en.contains("nc"));
}

#[test]
fn a_realm_that_would_need_escaping_is_refused() {
    for bad in ["", "a\"b", "a\\b", "a\r\nb", "堰"] {
        assert!(Realm::new(bad).is_err(), "{bad:?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_panic_or_open_the_door(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let value = [b"Digest ".as_slice(), &bytes].concat();
        for value in [&bytes, &value] {
            let outcome = check_bytes(&mut desk(), 0, &[value]);
            let opened = matches!(outcome, Outcome::Accepted { .. });
            prop_assert!(!opened);
        }
    }

    #[test]
    fn a_changed_byte_never_opens_the_door_twice(
        at in 0usize..300, to in any::<u8>(), cut in 0usize..300,
    ) {
        let mut desk = desk();
        let header = answer(&challenged(&mut desk, 0, 1)[0], PASSWORD, Some("00000001"));
        let mut changed = header.clone().into_bytes();
        if let Some(byte) = changed.get_mut(at) {
            *byte = to;
        }
        let cut = &changed[..cut.min(changed.len())];
        let mut all = vec![check_bytes(&mut desk, 1, &[cut])];
        all.push(check_bytes(&mut desk, 1, &[&changed]));
        all.push(check(&mut desk, 1, &header));
        let opened = all.iter().filter(|outcome| **outcome == accepted()).count();
        prop_assert_eq!(opened, 1);
    }

    #[test]
    fn every_count_is_good_once_at_most(counts in prop::collection::vec(1u32..200, 1..80)) {
        let mut desk = desk();
        let challenge = challenged(&mut desk, 0, 1)[0].clone();
        let mut used = std::collections::BTreeSet::new();
        for nc in counts {
            let header = answer(&challenge, PASSWORD, Some(&format!("{nc:08x}")));
            let highest = used.last().copied().unwrap_or(0);
            let opened = check(&mut desk, 1, &header) == accepted();
            let due = !used.contains(&nc) && nc + 64 > highest;
            prop_assert_eq!(opened, due, "{} after {}", nc, highest);
            if opened {
                used.insert(nc);
            }
        }
    }
}

/// A site with old telephones offers MD5 alone; whoever was offered SHA-256
/// alone is not talked down.
#[test]
fn a_site_chooses_what_it_offers() {
    let house = || Authenticator::new(Realm::new("weir").unwrap(), NonceLimits::default());
    let offered = |mut house: Authenticator| {
        let challenges = house.challenges(0, 7, [1; 16], [2; 16], false);
        challenges.iter().map(|one| one.algorithm).collect::<Vec<_>>()
    };
    assert_eq!(offered(house()), [Algorithm::Sha256, Algorithm::Md5]);
    assert_eq!(offered(house().offering(&[Algorithm::Md5])), [Algorithm::Md5]);

    let answered = |house: &mut Authenticator| {
        let nonce = house.challenges(0, 7, [1; 16], [2; 16], false)[0].nonce.to_string();
        let sum = |parts: &[&str]| {
            let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
            Algorithm::Md5.sum(&parts).to_string()
        };
        let (ha1, ha2) = (sum(&["5101", "weir", "secret"]), sum(&["REGISTER", "sip:weir"]));
        let response = sum(&[&ha1, &nonce, &ha2]);
        let line = format!(
            "Digest username=\"5101\", realm=\"weir\", nonce=\"{nonce}\", uri=\"sip:weir\", \
             response=\"{response}\", algorithm=MD5"
        );
        let request = Request { method: "REGISTER", authorizations: &[line.as_bytes()], origin: 7 };
        house.check(1, request, |_| Some(Credential::Password("secret".into())))
    };
    assert!(matches!(answered(&mut house()), Outcome::Accepted { .. }));
    let mut strict = house().offering(&[Algorithm::Sha256]);
    assert!(matches!(answered(&mut strict), Outcome::Refused { why: Refused::NoKey { .. } }));
}
