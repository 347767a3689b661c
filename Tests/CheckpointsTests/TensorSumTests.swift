import CChecksum
import Checkpoints
import JSON
import Tensors
import TestSupport
import Testing

@Suite struct TensorSumTests {
  /// The definition in `CChecksum.h`, byte by byte.
  private func specified(_ bytes: [UInt8], at offset: UInt64) -> UInt64 {
    func mix(_ x: UInt64) -> UInt64 {
      var z = x &* 0x9E37_79B9_7F4A_7C15
      z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
      return z ^ z >> 31
    }
    var sum: UInt64 = 0
    for (i, byte) in bytes.enumerated() {
      let at = offset + UInt64(i)
      let (word, lane) = (at / 8 % 2048, at / 8 % 4)
      let key = (mix(lane + 1) | 1) &+ (mix(lane + 5) | 1) &* 2 &* (word / 4)
      let block = mix(at / 16384 &+ 1 << 32) | 1
      let value = UInt64(byte) << (8 * (at % 8))
      sum &+= block &* (value &* key &+ (value >> 32) &* (mix(lane + 9) | 1))
    }
    return sum
  }

  private func bytes(_ count: Int, seed: UInt64) -> [UInt8] {
    var generator = SeededGenerator(seed)
    return (0..<count).map { _ in UInt8(truncatingIfNeeded: generator.next() >> 40) }
  }

  @Test(arguments: [0, 1, 7, 8, 31, 32, 33, 95, 96, 97, 16383, 16384, 16385, 33001])
  func sumsAreThoseOfTheDefinition(count: Int) {
    let data = bytes(count, seed: 1)
    for offset: UInt64 in [0, 1, 5, 8, 24, 16380, 16384, 1 << 33, (1 << 40) + 7] {
      let expected = specified(data, at: offset)
      #expect(cc_sum(data, count, offset) == expected, "at \(offset)")
      for kernel in 0..<cc_kernel_count() {
        #expect(cc_sum_with(kernel, data, count, offset) == expected, "by \(kernel) at \(offset)")
      }
    }
  }

  @Test func cuttingDoesNotMatter() {
    let data = bytes(50_000, seed: 2)
    let whole = data.withUnsafeBytes { TensorSum($0, at: 0) }
    var generator = SeededGenerator(3)
    for _ in 0..<50 {
      var pieces: [Range<Int>] = []
      var first = 0
      while first < data.count {
        let end = min(data.count, first + Int.random(in: 1...6000, using: &generator))
        pieces.append(first..<end)
        first = end
      }
      var sum = TensorSum()
      for piece in pieces.shuffled(using: &generator) {
        sum += data.withUnsafeBytes { TensorSum(UnsafeRawBufferPointer(rebasing: $0[piece]), at: piece.lowerBound) }
      }
      #expect(sum == whole)
    }
  }

  /// Flipped bits, also the uppermost of several words, swapped words and blocks, cleared pages.
  @Test func damageChangesTheSum() {
    let data = bytes(65536, seed: 4)
    func sum(_ change: (inout [UInt8]) -> Void) -> UInt64 {
      var copy = data
      change(&copy)
      return copy.withUnsafeBytes { TensorSum($0, at: 0).value }
    }
    let whole = sum { _ in }
    var found: [UInt64] = [whole]
    for place in stride(from: 0, to: data.count, by: 13) { found.append(sum { $0[place] ^= UInt8(1 << (place % 8)) }) }
    let places = stride(from: 3, to: 32000, by: 408)
    for place in places {
      // Two uppermost bits of words: of one word's halves, of two words in turn, and far apart.
      for other in [place + 4, place + 12, place + 28 + 16384] {
        found.append(
          sum {
            $0[place + 4] ^= other == place + 4 ? 0 : 0x80
            $0[place] ^= other == place + 4 ? 0x80 : 0
            $0[other] ^= 0x80
          })
      }
      found.append(sum { $0.swapAt(place, place + 16384) })
    }
    for block in 0..<4 { found.append(sum { for i in (4096 * block)..<(4096 * (block + 1)) { $0[i] = 0 } }) }
    found.append(sum { $0 = Array($0[4096..<8192] + $0[0..<4096] + $0[8192...]) })
    found.append(sum { $0 = Array($0[16384..<32768] + $0[0..<16384] + $0[32768...]) })
    // A swap of two equal bytes is no damage.
    let equal = places.count { data[$0] == data[$0 + 16384] }
    #expect(found.dropFirst().count { $0 == whole } == equal)
  }

  @Test func aRecordComesBack() throws {
    try withTemporaryFolder { folder in
      var record = RecordedSums()
      record["a"] = 0
      record["b\u{E9}\""] = .max
      folder.write(record.json.text(pretty: true), as: RecordedSums.fileName)
      let found = try RecordedSums(of: CheckpointFormat.documents(of: folder.path))
      #expect(found == record)
      #expect(record.json.text().contains("\"a\":\"0000000000000000\""))
    }
    let none = try withTemporaryFolder { try RecordedSums(of: CheckpointFormat.documents(of: $0.path)) }
    #expect(none == nil)
  }

  @Test(arguments: [
    ("", "model.sums"), ("[]", "delete it"), (#"{"format":"martinet sums","version":2,"tensors":{}}"#, "delete it"),
    (#"{"format":"martinet sums","version":1,"tensors":{"a":"12"}}"#, "\"a\""),
    (#"{"format":"martinet sums","version":1,"tensors":{"a":"+123456789abcdef"}}"#, "\"a\""),
    (#"{"format":"martinet sums","version":1,"tensors":{"a":"0123456789ABCDEF"}}"#, "\"a\""),
  ])
  func aRecordThatIsNoneIsNamed(text: String, word: String) {
    withTemporaryFolder { folder in
      folder.write(text, as: RecordedSums.fileName)
      let error = failure { () throws(CheckpointError) in
        try RecordedSums(of: CheckpointFormat.documents(of: folder.path))
      }
      let message = error.map { "\($0)" } ?? ""
      #expect(message.contains(RecordedSums.fileName) && message.contains(word), "\(message)")
    }
  }

  @Test func aWriterKnowsTheSumsOfWhatItWrote() throws {
    try withTemporaryFolder { folder in
      let writer = try SafetensorsWriter(
        path: folder.file("a.safetensors"),
        tensors: [.init("a", .uint8, [10_000]), .init("b", .float32, [3]), .init("c", .uint8, [0])])
      let data = bytes(10_000, seed: 5)
      for part in [(7000, 3000), (0, 1), (1, 6999)] {
        try data.withUnsafeBytes {
          try writer.write("a", UnsafeRawBufferPointer(rebasing: $0[part.0..<(part.0 + part.1)]), at: part.0)
        }
      }
      try writer.append("b", [1, 2] as [Float])
      try writer.append("b", [3] as [Float])
      try writer.finish()
      var record = RecordedSums()
      writer.record(into: &record)
      let file = try SafetensorsFile(path: folder.file("a.safetensors"))
      #expect(record.count == 3)
      for entry in file.entries {
        let sum = try file.readAll(entry).withUnsafeBytes { TensorSum($0, at: 0).value }
        #expect(record[entry.name] == sum)
      }
    }
  }
}
