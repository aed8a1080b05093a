#!/usr/bin/env python3
"""Known answers for the WireGuard library, computed without any of its code.

X25519, ChaCha20, HChaCha20 and Poly1305 are written out here from RFC 7748, RFC 8439 and draft-irtf-cfrg-xchacha;
BLAKE2s and HMAC come from Python's standard library. `vectors.py > vectors.hpp` writes the header; the arithmetic is
checked against the RFCs' own vectors first.
"""
import hashlib
import hmac
import struct

P = 2**255 - 19


def x25519(k, u):
    k = bytearray(k)
    k[0] &= 248
    k[31] = k[31] & 127 | 64
    scalar = int.from_bytes(k, "little")
    x1 = int.from_bytes(u, "little") & (2**255 - 1)
    x2, z2, x3, z3, swap = 1, 0, x1, 1, 0
    for t in range(254, -1, -1):
        bit = scalar >> t & 1
        if swap ^ bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a % P, b * b % P, d * a % P, c * b % P
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % P, x1 * (da - cb) ** 2 % P
        x2, z2 = aa * bb % P, e * (aa + 121665 * e) % P
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, "little")


def public(k):
    return x25519(k, b"\x09" + bytes(31))


def rotl(v, n):
    return (v << n | v >> (32 - n)) & 0xFFFFFFFF


def chacha_rounds(s):
    def quarter(a, b, c, d):
        for x, y, z, n in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            s[x] = (s[x] + s[y]) & 0xFFFFFFFF
            s[z] = rotl(s[z] ^ s[x], n)
    for _ in range(10):
        for a, b, c, d in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
                           (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
            quarter(a, b, c, d)
    return s


SIGMA = b"expand 32-byte k"


def chacha_block(key, counter, nonce):
    start = list(struct.unpack("<16I", SIGMA + key + struct.pack("<I", counter) + nonce))
    return struct.pack("<16I", *((a + b) & 0xFFFFFFFF for a, b in zip(chacha_rounds(start[:]), start)))


def hchacha(key, nonce16):
    s = chacha_rounds(list(struct.unpack("<16I", SIGMA + key + nonce16)))
    return struct.pack("<8I", *(s[:4] + s[12:]))


def chacha(key, counter, nonce, data):
    out = bytearray()
    for i in range(0, len(data), 64):
        out += bytes(a ^ b for a, b in zip(data[i:i + 64], chacha_block(key, counter + i // 64, nonce)))
    return bytes(out)


def poly1305(key, data):
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    acc = 0
    for i in range(0, len(data), 16):
        acc = (acc + int.from_bytes(data[i:i + 16] + b"\1", "little")) * r % (2**130 - 5)
    return ((acc + int.from_bytes(key[16:], "little")) % 2**128).to_bytes(16, "little")


def seal(key, nonce, plain, aad):
    text = chacha(key, 1, nonce, plain)
    pad = lambda b: b + bytes(-len(b) % 16)
    mac_data = pad(aad) + pad(text) + struct.pack("<QQ", len(aad), len(text))
    return text + poly1305(chacha_block(key, 0, nonce)[:32], mac_data)


def xseal(key, nonce, plain, aad):
    return seal(hchacha(key, nonce[:16]), bytes(4) + nonce[16:], plain, aad)


def h(*parts):
    return hashlib.blake2s(b"".join(parts)).digest()


def mac(key, *parts):
    return hashlib.blake2s(b"".join(parts), key=key, digest_size=16).digest()


def hm(key, data):
    return hmac.new(key, data, hashlib.blake2s).digest()


def kdf(n, c, data):
    secret, out, t = hm(c, data), [], b""
    for i in range(1, n + 1):
        t = hm(secret, t + bytes([i]))
        out.append(t)
    return out


def check():
    assert x25519(bytes.fromhex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4"),
                  bytes.fromhex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c")).hex() == \
        "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"  # RFC 7748 5.2
    key = bytes(range(0x80, 0xA0))
    text = (b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
            b"sunscreen would be it.")
    aad = bytes.fromhex("50515253c0c1c2c3c4c5c6c7")
    assert seal(key, bytes.fromhex("070000004041424344454647"), text, aad)[-16:].hex() == \
        "1ae10b594f09e26a7e902ecbd0600691"  # RFC 8439 2.8.2
    assert xseal(key, bytes(range(0x40, 0x58)), text, aad)[-16:].hex() == \
        "c0875924c1c7987947deafd8780acf49"  # draft-irtf-cfrg-xchacha A.3.1
    assert h(b"abc").hex() == "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982"  # RFC 7693 B


def emit(name, value):
    rows = [value[i:i + 16] for i in range(0, len(value), 16)]
    body = ",\n      ".join(", ".join("0x%02x" % b for b in row) for row in rows)
    print(f"inline constexpr std::array<uint8_t, {len(value)}> {name} = {{\n      {body}}};")


def main():
    check()
    print("#pragma once\n// Written by vectors.py; do not edit. Inputs of a fixed handshake and every byte that follows.\n"
          "#include <array>\n#include <cstdint>\n\n// clang-format off\nnamespace warren::wireguard::vectors {\n")
    si = bytes(range(1, 33))
    sr = bytes(range(0x41, 0x61))
    ei = bytes(range(0x81, 0xA1))
    er = bytes(range(0xC1, 0xE1))
    psk = bytes(range(0x30, 0x50))
    Si, Sr, Ei, Er = public(si), public(sr), public(ei), public(er)
    index_i, index_r = 0x12345678, 0x9ABCDEF0
    seconds, nanos = 1_700_000_000, 123_456_789
    stamp = struct.pack(">QI", 0x400000000000000A + seconds, nanos >> 24 << 24)

    c = h(b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s")
    hh = h(h(c, b"WireGuard v1 zx2c4 Jason@zx2c4.com"), Sr)
    zero = bytes(12)
    hh = h(hh, Ei)
    c, = kdf(1, c, Ei)
    c, k = kdf(2, c, x25519(ei, Sr))
    static = seal(k, zero, Si, hh)
    hh = h(hh, static)
    c, k = kdf(2, c, x25519(si, Sr))
    sealed_stamp = seal(k, zero, stamp, hh)
    hh = h(hh, sealed_stamp)
    msg = struct.pack("<II", 1, index_i) + Ei + static + sealed_stamp
    mac1 = mac(h(b"mac1----", Sr), msg)
    initiation = msg + mac1 + bytes(16)

    # A cookie reply to this initiation, from secret, source 192.0.2.7 port 51820 and a fixed nonce.
    secret, xnonce = bytes(range(0x50, 0x70)), bytes(range(0x70, 0x88))
    cookie = mac(secret, bytes([192, 0, 2, 7]), struct.pack(">H", 51820))
    reply = struct.pack("<II", 3, index_i) + xnonce + xseal(h(b"cookie--", Sr), xnonce, cookie, mac1)
    mac2 = mac(cookie, msg, mac1)

    for name, value in (("initiator_private", si), ("initiator_public", Si), ("responder_private", sr),
                        ("responder_public", Sr), ("initiator_ephemeral", ei), ("responder_ephemeral", er),
                        ("psk", psk), ("initiation", initiation), ("cookie_secret", secret),
                        ("cookie_nonce", xnonce), ("cookie_reply", reply), ("initiation_mac2", mac2)):
        emit(name, value)

    for suffix, shared in (("with_psk", psk), ("without_psk", bytes(32))):
        c2, h2 = c, h(hh, Er)
        c2, = kdf(1, c2, Er)
        c2, = kdf(1, c2, x25519(er, Ei))
        c2, = kdf(1, c2, x25519(er, Si))
        c2, tau, k = kdf(3, c2, shared)
        h2 = h(h2, tau)
        empty = seal(k, zero, b"", h2)
        msg = struct.pack("<III", 2, index_r, index_i) + Er + empty
        response = msg + mac(h(b"mac1----", Si), msg) + bytes(16)
        t1, t2 = kdf(2, c2, b"")
        packet = bytes([0x45, 0, 0, 21]) + bytes(range(16)) + b"\x99"  # 21 bytes, padded to 32
        data = struct.pack("<IIQ", 4, index_r, 0) + seal(t1, zero, packet + bytes(11), b"")
        keepalive = struct.pack("<IIQ", 4, index_r, 1) + seal(t1, bytes(4) + struct.pack("<Q", 1), b"", b"")
        for name, value in (("response", response), ("initiator_send_key", t1), ("initiator_receive_key", t2),
                            ("first_data", data), ("second_keepalive", keepalive)):
            emit(f"{name}_{suffix}", value)
    emit("inner_packet", packet)

    # ChaCha20-Poly1305 without associated data, at several lengths, and HKDF and MAC answers.
    key = bytes(range(0x80, 0xA0))
    plain = bytes(i * 7 & 255 for i in range(1500))
    for n in (0, 1, 15, 16, 63, 64, 65, 255, 1420):
        emit(f"aead_tag_{n}", seal(key, bytes(4) + struct.pack("<Q", 2**40 + n), plain[:n], b"")[-16:])
    emit("aead_self_test_tag", seal(key, bytes(4) + bytes(range(0x40, 0x48)), bytes(range(80)), b"")[-16:])
    for i, value in enumerate(kdf(3, si, b"input of the key derivation")):
        emit(f"kdf_{i + 1}", value)
    emit("hmac_long", hm(bytes(range(64)), bytes(200)))
    emit("mac_key_size_1", mac(b"k", b"message"))
    print("\n} // namespace warren::wireguard::vectors")


main()
