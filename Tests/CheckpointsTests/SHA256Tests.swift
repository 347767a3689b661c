import Bytes
import Checkpoints
import Testing

struct SHA256Tests {
  func hex(_ parts: [[UInt8]]) -> String {
    var hash = SHA256()
    for part in parts { hash.update(part) }
    return Digits.hexadecimal(hash.finish())
  }

  /// The examples of FIPS 180-4's companion document.
  @Test(arguments: [
    ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
  ])
  func publishedExamples(text: String, digest: String) { #expect(hex([Array(text.utf8)]) == digest) }

  @Test func aMillionLettersInUnevenParts() {
    let letters = [UInt8](repeating: UInt8(ascii: "a"), count: 1_000_000)
    let digest = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
    #expect(hex([letters]) == digest)
    #expect(
      hex([Array(letters[..<1]), Array(letters[1..<70]), [], Array(letters[70..<999_937]), Array(letters[999_937...])])
        == digest)
  }

  @Test func howAMessageIsCutDoesNotMatter() {
    let message = (0..<200).map { UInt8($0) }
    for count in 0...200 {
      let whole = hex([Array(message[..<count])])
      #expect(hex([Array(message[..<(count / 3)]), Array(message[(count / 3)..<count])]) == whole)
      #expect(hex(message[..<count].map { [$0] }) == whole)
    }
  }
}
