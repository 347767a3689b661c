import Checkpoints
import Kernels
import Tensors
import TestSupport
import Testing

@testable import MoEModel

/// Words and scales that lie across rows: each worker reads its own.
struct TensorStripTests {
  /// A tensor of so many lines, and the checkpoint that has it.
  private func tensor(lines: Int, lineByteCount: Int) throws -> (entry: TensorEntry, MemoryCheckpoint, [UInt8]) {
    var generator = SeededGenerator(UInt64(lineByteCount))
    let bytes = (0..<(lines * lineByteCount)).map { _ in UInt8(truncatingIfNeeded: generator.next() >> 40) }
    let folder = try HuggingFaceFolder(path: Golden("qwen3_moe_bf16").folder)
    let name = try #require(folder.entries.first).name
    let memory = try MemoryCheckpoint(copying: folder) { $0.name == name ? (.uint8, bytes) : ($0.type, $1) }
    return (try #require(memory.tensor(name)), memory, bytes)
  }

  /// Narrow lines are read whole, wide ones in strips; rows of a word may be two workers'.
  @Test(arguments: [(40, 1, 2), (40, 8, 4), (9_001, 1, 4), (60_000, 8, 4), (60_004, 8, 4), (20_000, 4, 4)])
  func stripsAreTheirBytesAndTogetherTheWholeTensor(rows: Int, rowsPerElement: Int, elementByteCount: Int) throws {
    let lines = 7
    let lineByteCount = (rows + rowsPerElement - 1) / rowsPerElement * elementByteCount
    let (entry, memory, bytes) = try tensor(lines: lines, lineByteCount: lineByteCount)
    let expected = bytes.withUnsafeBytes { TensorSum($0, at: 0) }
    for cuts in [[0, rows], [0, rows / 3, rows / 2 + 1, rows], [0, 1, 2, 13, rows - 1, rows]] {
      let sums = ReadSums(memory)
      for (first, end) in zip(cuts, cuts.dropFirst()) {
        let strip = TensorStrip(
          entry, lineRows: rows, rows: first..<end, elementByteCount: elementByteCount, rowsPerElement: rowsPerElement,
          isCounted: true)
        let wanted =
          (first / rowsPerElement * elementByteCount)..<((end + rowsPerElement - 1) / rowsPerElement * elementByteCount)
        #expect(strip.bytes == wanted)
        for part in [0..<3, 3..<lines] {
          let byteCount = strip.byteCount(lines: part.count)
          // Nothing is written past the room that was asked for.
          var target = [UInt8](repeating: 0x5A, count: byteCount + 64)
          try target.withUnsafeMutableBytes { buffer in
            try strip.read(part, from: memory, sums: sums, into: try #require(buffer.baseAddress))
          }
          #expect(target[byteCount...].allSatisfy { $0 == 0x5A })
          for line in part {
            let (found, place) = ((line - part.lowerBound) * strip.stride, line * lineByteCount)
            #expect(
              target[found..<(found + wanted.count)]
                == bytes[(place + wanted.lowerBound)..<(place + wanted.upperBound)])
          }
        }
      }
      #expect(sums.sums[try #require(memory.position(of: entry))] == expected, "\(cuts)")
    }
  }

  /// What is a small part of a line is read alone.
  @Test func manyWorkersReadATensorOnceAltogether() throws {
    let (lines, rows) = (6, 100_000)
    let (entry, memory, _) = try tensor(lines: lines, lineByteCount: rows * 4)
    let before = memory.bytesRead
    for first in stride(from: 0, to: rows, by: 5_000) {
      let strip = TensorStrip(
        entry, lineRows: rows, rows: first..<(first + 5_000), elementByteCount: 4, rowsPerElement: 1, isCounted: false)
      var target = [UInt8](repeating: 0, count: strip.byteCount(lines: lines))
      try target.withUnsafeMutableBytes { buffer in
        try strip.read(0..<lines, from: memory, sums: nil, into: try #require(buffer.baseAddress))
      }
    }
    #expect(memory.bytesRead - before == lines * rows * 4)
  }

  /// Rows of gate and up in turn, each column a line: a worker of few panels takes strips, one of all of them lines.
  @Test(arguments: [0, 1]) func turnedMatricesAreTheSameFromStripsAndFromLines(first: Int) throws {
    let (rows, columns) = (3000, 7)
    let (entry, memory, bytes) = try tensor(lines: columns, lineByteCount: 4 * rows)
    let panelCount = PackedMatrix.panelCount(rows: rows)
    let source = MatrixSource(
      rows: rows, columns: columns, stored: MatrixSource.Stored(entry: entry, format: .bfloat16),
      layout: .columns(first: first, columnStride: 2 * rows, rowStride: 2), use: .projection, format: .bfloat16,
      rowFormat: .float32, bounds: [0, panelCount])
    let panelBytes = WeightFormat.bfloat16.panelByteCount(columns: columns)
    func filled(_ count: Int) throws -> (panels: [UInt8], sum: TensorSum, read: Int) {
      let (sums, before) = (ReadSums(memory), memory.bytesRead)
      var reader = ShardReader(checkpoint: memory, sums: sums)
      var panels = [UInt8](repeating: 0, count: panelCount * panelBytes)
      try panels.withUnsafeMutableBytes { buffer in
        for start in stride(from: 0, to: panelCount, by: count) {
          try reader.fill(
            source, panels: start..<min(start + count, panelCount),
            into: try #require(buffer.baseAddress) + start * panelBytes)
        }
      }
      return (panels, sums.sums[try #require(memory.position(of: entry))], memory.bytesRead - before)
    }
    let (whole, parts) = (try filled(panelCount), try filled(2))
    #expect(whole.panels == parts.panels && whole.sum == parts.sum)
    // Gate answers for both.
    #expect(whole.sum == (first == 0 ? bytes.withUnsafeBytes { TensorSum($0, at: 0) } : TensorSum()))
    #expect(parts.read <= bytes.count)
  }
}
