import Checkpoints
import ModelRuntime
import Testing

/// By which a job knows whether kept weights are what it would make itself.
struct KeptManifestTests {
  private func manifest() -> KeptManifest {
    KeptManifest(
      fingerprint: SHA256.digest([1]), files: SHA256.digest([2]), precision: "q8", layout: SHA256.digest([3]),
      segments: [.init(node: 0, byteCount: 1 << 30, sum: .max, elsewhere: 2), .init(node: 1, byteCount: 64, sum: 5)])
  }

  @Test func itIsReadAsItWasWritten() {
    #expect(KeptManifest(manifest().bytes) == manifest())
  }

  @Test func whatIsCutShortOrChangedIsNone() {
    let bytes = manifest().bytes
    for count in 0..<bytes.count { #expect(KeptManifest(Array(bytes.prefix(count))) == nil) }
    for place in bytes.indices {
      var changed = bytes
      changed[place] ^= 0x10
      #expect(KeptManifest(changed) == nil, "byte \(place)")
    }
    #expect(KeptManifest(bytes + [0]) == nil)
  }

  /// A sum is no proof of good will: numbers are looked at, too.
  @Test func impossibleNumbersAreRefused() {
    let changes: [(inout KeptManifest) -> Void] = [
      { $0.segments[0].byteCount = -1 }, { $0.segments[0].byteCount = .max }, { $0.segments = [] },
      { $0.segments = Array(repeating: .init(node: 0, byteCount: 1), count: 65) }, { $0.segments[1].elsewhere = 1001 },
    ]
    for change in changes {
      var hostile = manifest()
      change(&hostile)
      #expect(KeptManifest(hostile.bytes) == nil)
    }
    // More segments than bytes, with a digest that fits.
    var content = Array(manifest().bytes.dropLast(32 + 2 * 24 + 4))
    content += [0xff, 0xff, 0xff, 0x7f]
    #expect(KeptManifest(content + SHA256.digest(content)) == nil)
  }

  @Test func everyDifferenceHasItsReason() {
    let changes: [(word: String, (inout KeptManifest) -> Void)] = [
      ("layout version", { $0.version += 1 }), ("headers", { $0.fingerprint[0] ^= 1 }), ("files", { $0.files[9] ^= 1 }),
      ("held as", { $0.precision = "bf16" }), ("laid out", { $0.layout[31] ^= 1 }),
      ("sizes", { $0.segments[0].byteCount -= 1 }), ("sizes", { $0.segments[1].node = 0 }),
    ]
    for (word, change) in changes {
      var other = manifest()
      change(&other)
      #expect(other.difference(from: manifest())?.contains(word) == true)
    }
    var moved = manifest()
    (moved.segments[0].sum, moved.segments[0].elsewhere) = (1, 0)
    #expect(moved.difference(from: manifest()) == nil, "bytes and places are looked at, not compared")
  }
}
