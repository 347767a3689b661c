import Backpropagation
import Kernels
import MoEModel
import Tensors

/// One rank's sequences of a step, ready for the decoder: each a run of rows with cache blocks of its own.
struct StepBatch {
  let cache: KeyValueCache
  private let sequenceLength: Int
  private let blockAddresses: AlignedBuffer<UnsafeRawPointer?>
  private let blocksOfSequence: Int
  /// By row: the token that follows, and what is to be predicted of it and of the one after it.
  private let nextList: AlignedBuffer<Int32>
  private let targetList: AlignedBuffer<Int32>
  private let aheadList: AlignedBuffer<Int32>
  private(set) var decoderBatch = DecoderBatch()
  private(set) var leaves: [Leaf] = []
  /// Tokens predicted.
  private(set) var predictedCount = 0
  /// Tokens that a prediction module predicts: all but the first of each sequence's.
  private(set) var predictedAheadCount = 0

  init(_ description: DecoderDescription, sequenceLength: Int, rows: Int) throws {
    self.sequenceLength = sequenceLength
    let capacity = max(1, rows / sequenceLength)
    blocksOfSequence = KeyValueCache.blockCount(tokens: sequenceLength)
    // Keys and values as they were computed.
    cache = try KeyValueCache(description, type: .f32, blockCount: capacity * blocksOfSequence)
    blockAddresses = AlignedBuffer(count: capacity * blocksOfSequence)
    nextList = AlignedBuffer(count: capacity * sequenceLength)
    targetList = AlignedBuffer(count: capacity * sequenceLength)
    aheadList = AlignedBuffer(count: capacity * sequenceLength)
    for block in 0..<capacity * blocksOfSequence {
      blockAddresses.pointer[block] = UnsafeRawPointer(cache.address(ofBlock: Int32(block)))
    }
  }

  /// The token after each row's.
  var next: UnsafePointer<Int32> { UnsafePointer(nextList.pointer) }
  var targets: Targets { Targets(next: UnsafePointer(targetList.pointer), ahead: UnsafePointer(aheadList.pointer)) }

  /// Takes the leaves with these numbers.
  mutating func fill(
    _ numbers: Range<Int>, _ read: (_ leaf: Int, _ buffer: UnsafeMutableBufferPointer<Int32>) throws -> Int
  ) throws {
    decoderBatch.clear()
    leaves.removeAll(keepingCapacity: true)
    (predictedCount, predictedAheadCount) = (0, 0)
    var tokens = [Int32](repeating: 0, count: sequenceLength + 1)
    for (place, number) in numbers.enumerated() {
      let predicted = try tokens.withUnsafeMutableBufferPointer { try read(number, $0) }
      let first = place * sequenceLength
      // A token that is only read is there as its complement.
      let ids = tokens.map { $0 < 0 ? ~$0 : $0 }
      decoderBatch.tokens += ids.dropLast()
      decoderBatch.chunks.append(
        DecoderBatch.Chunk(
          firstRow: first, count: sequenceLength, startPosition: 0,
          blocks: UnsafePointer(blockAddresses.pointer + place * blocksOfSequence), outputs: .none))
      for i in 0..<sequenceLength {
        nextList.pointer[first + i] = ids[i + 1]
        targetList.pointer[first + i] = i < predicted ? max(tokens[i + 1], -1) : -1
        aheadList.pointer[first + i] = i + 1 < predicted ? max(tokens[i + 2], -1) : -1
        if targetList.pointer[first + i] >= 0 { predictedCount += 1 }
        if aheadList.pointer[first + i] >= 0 { predictedAheadCount += 1 }
      }
      leaves.append(Leaf(number: number, rows: first..<(first + sequenceLength)))
    }
  }
}
