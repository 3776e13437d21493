"""The other side of SRP-6a, as the Python package `srp` speaks it: a server or a client, one JSON document a line.

{"do": "vector", "I", "P", "s", "a", "b"}      every number of one login, computed here with nothing but pow and hashlib
{"do": "serve", "I", "s", "v", "A", "b", "M1"} a server: B, and with M1 also M2, or null when M1 is wrong
{"do": "login", "I", "P", "s", "B", "a", "M2"} a client: A, M1, and whether it takes M2 for the server's
"""

import hashlib
import json
import sys

import srp

srp.rfc5054_enable()

G = 5


def h(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def number(data):
    return int.from_bytes(data, "big")


def minimal(value):
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def pad(value):
    return value.to_bytes(512, "big")


def vector(n, ask):
    identity, password = ask["I"].encode(), ask["P"].encode()
    s, a, b = (bytes.fromhex(ask[name]) for name in "sab")
    k = number(h(pad(n), pad(G)))
    x = number(h(s, h(identity, b":", password)))
    v = pow(G, x, n)
    big_a = pow(G, number(a), n)
    big_b = (k * v + pow(G, number(b), n)) % n
    u = number(h(pad(big_a), pad(big_b)))
    premaster = pow(big_a * pow(v, u, n), number(b), n)
    key = h(minimal(premaster))
    group = bytes(one ^ other for one, other in zip(h(pad(n)), h(pad(G))))
    m1 = h(group, h(identity), s, minimal(big_a), minimal(big_b), key)
    m2 = h(minimal(big_a), m1, key)
    numbers = {"k": k, "x": x, "v": v, "A": big_a, "B": big_b, "u": u, "S": premaster}
    shown = {name: minimal(value).hex() for name, value in numbers.items()}
    return {**ask, **shown, "K": key.hex(), "M1": m1.hex(), "M2": m2.hex()}


def main():
    group = {"hash_alg": srp.SHA256, "ng_type": srp.NG_CUSTOM, "n_hex": sys.argv[1].encode(), "g_hex": b"5"}
    n = int(sys.argv[1], 16)
    for line in sys.stdin:
        ask = json.loads(line)
        data = {name: bytes.fromhex(ask[name]) for name in ("s", "v", "A", "B", "M1", "a", "b") if name in ask}
        if ask["do"] == "vector":
            answer = vector(n, ask)
        elif ask["do"] == "serve":
            server = srp.Verifier(ask["I"], data["s"], data["v"], data["A"], bytes_b=data["b"], **group)
            proof = server.verify_session(data["M1"]) if "M1" in data else None
            answer = {"B": server.get_challenge()[1].hex(), "M2": proof and proof.hex()}
        else:
            client = srp.User(ask["I"], ask["P"], bytes_a=data["a"], **group)
            _, big_a = client.start_authentication()
            m1 = client.process_challenge(data["s"], data["B"])
            client.verify_session(bytes.fromhex(ask.get("M2", "")))
            answer = {"A": big_a.hex(), "M1": m1 and m1.hex(), "authenticated": client.authenticated()}
        print(json.dumps(answer), flush=True)


main()
