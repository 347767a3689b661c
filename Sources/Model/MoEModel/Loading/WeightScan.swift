import Checkpoints
import Machine
import Synchronization
import Tensors

/// Reads parts of a checkpoint's tensors for their sums alone, on all workers at once.
package struct WeightScan {
  /// Bytes `range` of the tensor at place `position` of the checkpoint's `entries`.
  package struct Piece: Sendable {
    package var position: Int
    package var range: Range<Int>
  }

  private static let pieceByteCount = 4 << 20
  private static let summedByteCount = 256 << 10
  /// Asked for and not yet read: bytes, and pieces.
  private static let windowByteCount = 64 << 20
  private static let windowPieceCount = 256

  private let checkpoint: any Checkpoint
  package let pieces: [Piece]

  package init(_ checkpoint: any Checkpoint, pieces: [Piece]) { (self.checkpoint, self.pieces) = (checkpoint, pieces) }

  /// The whole of every tensor, or of `count` equal shares of all pieces the one of number `share`.
  package static func all(_ checkpoint: any Checkpoint, share: Int = 0, of count: Int = 1) -> WeightScan {
    var pieces: [Piece] = []
    var number = 0
    for (position, entry) in checkpoint.entries.enumerated() {
      for first in stride(from: 0, to: entry.byteCount, by: pieceByteCount) {
        if number % count == share {
          pieces.append(Piece(position: position, range: first..<min(first + pieceByteCount, entry.byteCount)))
        }
        number += 1
      }
    }
    return WeightScan(checkpoint, pieces: pieces)
  }

  /// A few KiB from places all over every file, the same for whoever has the same headers: enough to notice another
  /// checkpoint.
  ///
  /// About `sampleCount` pieces, at least one for a file: each lies somewhere in one of as many equal parts of the
  /// file.
  package static func sample(_ checkpoint: any Checkpoint) -> WeightScan {
    let stratum = max(checkpoint.totalByteCount / sampleCount, sampleByteCount)
    var pieces: [Piece] = []
    var next = 0
    while next < checkpoint.entries.count {
      // The tensors of one file.
      let first = next
      while next < checkpoint.entries.count, checkpoint.entries[next].fileIndex == checkpoint.entries[first].fileIndex {
        next += 1
      }
      let byteCount = checkpoint.entries[first..<next].reduce(0) { $0 + $1.byteCount }
      var (position, before) = (first, 0)
      for part in stride(from: 0, to: byteCount, by: stratum) {
        // Which bytes matters little, as long as they are the same for all.
        let turn = Int(truncatingIfNeeded: (UInt64(pieces.count) &* 0x9E37_79B9_7F4A_7C15) >> 40)
        let offset = part + turn % max(1, min(stratum, byteCount - part) - sampleByteCount)
        while before + checkpoint.entries[position].byteCount <= offset {
          before += checkpoint.entries[position].byteCount
          position += 1
        }
        let begin = offset - before
        pieces.append(
          Piece(position: position, range: begin..<min(begin + sampleByteCount, checkpoint.entries[position].byteCount))
        )
      }
    }
    return WeightScan(checkpoint, pieces: pieces)
  }

  private static let sampleCount = 2048
  private static let sampleByteCount = 4096

  package var byteCount: Int { pieces.reduce(0) { $0 + $1.range.count } }

  /// The sum of each piece. `progress` is called from this thread with the bytes read so far.
  package func run(pool: WorkerPool, progress: (Int) -> Void = { _ in }) throws -> [TensorSum] {
    let next = Atomic<Int>(0)
    let found = Mutex([TensorSum](repeating: TensorSum(), count: pieces.count))
    let failures = Mutex<[Int: any Error]>([:])
    let base = checkpoint.bytesRead
    // A disk does many small reads at once as fast as one.
    let largest = pieces.reduce(1) { max($0, $1.range.count) }
    let window = max(1, min(Self.windowPieceCount, Self.windowByteCount / largest))
    for piece in pieces.prefix(window) { prefetch(piece) }
    pool.run { worker in
      let buffer = AlignedBuffer<UInt8>(count: Self.summedByteCount)
      while true {
        let number = next.wrappingAdd(1, ordering: .relaxed).oldValue
        guard number < pieces.count else { return }
        if number + window < pieces.count { prefetch(pieces[number + window]) }
        do {
          let sum = try self.sum(pieces[number], buffer)
          found.withLock { $0[number] = sum }
        } catch {
          failures.withLock { $0[number] = error }
          next.store(pieces.count, ordering: .relaxed)
        }
        if worker == 0 { progress(checkpoint.bytesRead - base) }
      }
    }
    if let first = failures.withLock({ $0.min { $0.key < $1.key } }) { throw first.value }
    return found.withLock { $0 }
  }

  private func prefetch(_ piece: Piece) {
    if !piece.range.isEmpty { checkpoint.prefetch(checkpoint.entries[piece.position], bytes: piece.range) }
  }

  private func sum(_ piece: Piece, _ buffer: AlignedBuffer<UInt8>) throws -> TensorSum {
    let entry = checkpoint.entries[piece.position]
    var sum = TensorSum()
    for first in stride(from: piece.range.lowerBound, to: piece.range.upperBound, by: buffer.count) {
      let range = first..<min(first + buffer.count, piece.range.upperBound)
      let bytes = UnsafeMutableRawBufferPointer(start: buffer.pointer, count: range.count)
      try checkpoint.read(entry, bytes: range, into: bytes)
      sum += TensorSum(UnsafeRawBufferPointer(bytes), at: first)
    }
    return sum
  }

  /// The pieces' sums put together by tensor, one for each of the checkpoint's `entries`.
  package func byTensor(_ sums: [TensorSum]) -> [TensorSum] {
    var tensors = [TensorSum](repeating: TensorSum(), count: checkpoint.entries.count)
    for (piece, sum) in zip(pieces, sums) { tensors[piece.position] += sum }
    return tensors
  }
}
