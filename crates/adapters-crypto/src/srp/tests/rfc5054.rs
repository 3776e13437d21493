//! RFC 5054 appendix B: 1024 bits and SHA-1, through the code that serves with 4096 bits and SHA-256.

use sha1::Sha1;

use super::*;

const N: &str = "\
    eeaf0ab9adb38dd69c33f80afa8fc5e86072618775ff3c0b9ea2314c9c256576d674df7496ea81d3383b4813d692c6e0e0d5d8e250b98be4\
    8e495c1d6089dad15dc7d7b46154d6b6ce8ef4ad69b15d4982559b297bcf1885c529f566660e57ec68edbc3c05726cc02fd4cbf4976eaa9a\
    fd5138fe8376435b9fc61d2fc0eb06e3";
const V: &str = "\
    7e273de8696ffc4f4e337d05b4b375beb0dde1569e8fa00a9886d8129bada1f1822223ca1a605b530e379ba4729fdc59f105b4787e5186f5\
    c671085a1447b52a48cf1970b4fb6f8400bbf4cebfbb168152e08ab5ea53d15c1aff87b2b9da6e04e058ad51cc72bfc9033b564e26480d78\
    e955a5e29e7ab245db2be315e2099afb";
const A: &str = "\
    61d5e490f6f1b79547b0704c436f523dd0e560f0c64115bb72557ec44352e8903211c04692272d8b2d1a5358a2cf1b6e0bfcf99f921530ec\
    8e39356179eae45e42ba92aeaced825171e1e8b9af6d9c03e1327f44be087ef06530e69f66615261eef54073ca11cf5858f0edfdfe15efea\
    b349ef5d76988a3672fac47b0769447b";
const B: &str = "\
    bd0c61512c692c0cb6d041fa01bb152d4916a1e77af46ae105393011baf38964dc46a0670dd125b95a981652236f99d9b681cbf87837ec99\
    6c6da04453728610d0c6ddb58b318885d7d82c7f8deb75ce7bd4fbaa37089e6f9c6059f388838e7a00030b331eb76840910440b1b27aaeae\
    eb4012b7d7665238a8e3fb004b117b58";
const S: &str = "\
    b0dc82babcf30674ae450c0287745e7990a3381f63b387aaf271a10d233861e359b48220f7c4693c9ae12b0a6f67809f0876e2d013800d6c\
    41bb59b6d5979b5c00a172b4a2a5903a0bdcaf8a709585eb2afafa8f3499b200210dcc1f10eb33943cd67fc88a2f39a4be5bec4ec0a3212d\
    c346d7e474b29ede8a469ffeca686e5a";
const SECRET_A: &str = "60975527035cf2ad1989806f0407210bc81edc04e2762a56afd529ddda2d4393";
const SECRET_B: &str = "e487cb59d31ac550471e81f00f6928e01dda08e974a004f49e61f5d105284d20";

#[test]
fn every_number_of_appendix_b_comes_out() {
    let group = Group::new(&hex(N), 2).unwrap();
    let salt = hex("beb25379d1a8581eb5a727673a2441ee");
    let k = hash::<Sha1>(&[group.modulus(), group.generator()]);
    assert_eq!(k.as_slice(), hex("7556aa045aef2cdd07abaf0f665c3e818913186f"));
    let x = hash::<Sha1>(&[&salt, &hash::<Sha1>(&[b"alice:password123"])]);
    assert_eq!(x.as_slice(), hex("94b7555aabe9127cc58ccf4993db6cf84d16c124"));
    assert_eq!(**group.pow_generator(&x).to_bytes(), *hex(V));
    assert_eq!(**group.pow_generator(&hex(SECRET_A)).to_bytes(), *hex(A));

    let protocol = Protocol::<Sha1>::new(group);
    let (verifier, secret, client_key) = (hex(V), hex(SECRET_B), hex(A));
    assert_eq!(**protocol.server_key(&verifier, &secret).unwrap(), *hex(B));
    let exchange =
        Exchange { identity: b"alice", salt: &salt, verifier: &verifier, secret: &secret, client_key: &client_key };
    let shared = protocol.share(&exchange);
    assert_eq!(**shared.server_key, *hex(B));
    assert_eq!(shared.scrambler.as_slice(), hex("ce38b9593487da98554ed47d70a7ae5f462ef019"));
    assert_eq!(**shared.premaster, *hex(S));
}

#[test]
fn a_modulus_the_arithmetic_cannot_have_makes_no_group() {
    for modulus in [&[][..], &[0xff; 63], &[0xfe; 64]] {
        assert!(Group::new(modulus, 2).is_none(), "{}", modulus.len());
    }
}
