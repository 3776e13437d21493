"""A client of the service that somebody else wrote: the Python package `srp`, and hashlib's scrypt.

One call a line of standard input, one answer a line of standard output:
{"name": "credential", "given": [password]}                    what a registration takes
{"name": "stretched", "given": [password, challenge]}          P, in hexadecimal
{"name": "rounds", "given": [{url, identity, password, deviceToken, count}]}  so many logins
"""

import hashlib
import http.client
import json
import os
import secrets
import sys
import unicodedata
import urllib.parse

import srp

srp.rfc5054_enable()

MODULUS = sys.argv[1]
N = int(MODULUS, 16)
GROUP = {"hash_alg": srp.SHA256, "ng_type": srp.NG_CUSTOM, "n_hex": MODULUS.encode(), "g_hex": b"5"}
KDF = {"n": 1 << 17, "r": 8, "p": 1}


class Refused(Exception):
    def __init__(self, status, code):
        super().__init__(code)
        self.status = status
        self.code = code


def stretched(password, challenge):
    kdf = challenge["kdf"]
    text = unicodedata.normalize("NFC", password).encode()
    salt = bytes.fromhex(challenge["kdfSalt"])
    return hashlib.scrypt(text, salt=salt, n=kdf["n"], r=kdf["r"], p=kdf["p"], maxmem=1 << 28, dklen=32).hex()


def credential(password):
    made = {"kdf": KDF, "kdfSalt": os.urandom(32).hex()}
    derived = stretched(password, made)
    while True:
        identity = secrets.token_hex(16)
        salt, verifier = srp.create_salted_verification_key(identity, derived, salt_len=32, **GROUP)
        inner = hashlib.sha256(f"{identity}:{derived}".encode()).digest()
        # What this package drops leading zeros of.
        if len(salt) == 32 and salt[0] != 0 and inner[0] != 0:
            return {**made, "srpIdentity": identity, "srpSalt": salt.hex(), "verifier": verifier.hex()}


class Service:
    def __init__(self, url):
        place = urllib.parse.urlsplit(url)
        self.connection = http.client.HTTPConnection(place.hostname, place.port)

    def post(self, path, body):
        headers = {"content-type": "application/json", "keystead-client": "native"}
        self.connection.request("POST", f"/api/v1/auth/srp/{path}", json.dumps(body), headers)
        response = self.connection.getresponse()
        document = json.loads(response.read())
        if response.status != 200:
            raise Refused(response.status, document["errors"][0]["code"])
        return document["data"]["attributes"]


def short_key():
    """a such that A begins with a zero byte."""
    a = secrets.randbits(248) | 1 << 247
    key = pow(5, a, N)
    while key >= 1 << 4088:
        a, key = a + 1, key * 5 % N
    return a.to_bytes(32, "big")


def rounds(options):
    service = Service(options["url"])
    zeros = {"A": 0, "B": 0, "M1": 0, "M2": 0}
    known = {}
    for done in range(options["count"]):
        who = {"identity": options["identity"], "deviceToken": options["deviceToken"]}
        challenge = service.post("challenge", who)
        salt = challenge["kdfSalt"]
        if salt not in known:
            known[salt] = stretched(options["password"], challenge)
        bytes_a = short_key() if done % 10 == 0 else None
        client = srp.User(challenge["srpIdentity"], known[salt], bytes_a=bytes_a, **GROUP)
        _, key = client.start_authentication()
        public = bytes.fromhex(challenge["serverPublicKey"])
        proof = client.process_challenge(bytes.fromhex(challenge["srpSalt"]), public)
        answer = {"clientPublicKey": key.hex(), "clientProof": proof.hex(), "sealed": challenge["sealed"]}
        tokens = service.post("login", {**who, **answer})
        server_proof = bytes.fromhex(tokens["serverProof"])
        client.verify_session(server_proof)
        if not client.authenticated():
            raise Refused(200, "SERVER_PROOF_INVALID")
        zeros["A"] += len(key) < 512
        zeros["B"] += len(public) < 512
        zeros["M1"] += proof[0] == 0
        zeros["M2"] += server_proof[0] == 0
    return {"done": options["count"], "zeros": zeros}


CALLS = {"credential": credential, "stretched": stretched, "rounds": rounds}

for line in sys.stdin:
    call = json.loads(line)
    try:
        answer = {"value": CALLS[call["name"]](*call["given"])}
    except Refused as refused:
        answer = {"error": {"name": "Refused", "code": refused.code, "status": refused.status, "message": ""}}
    print(json.dumps(answer), flush=True)
