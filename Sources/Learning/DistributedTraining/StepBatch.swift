import Backpropagation
import Kernels
import MoEModel
import Tensors

/// How much a rank's part of a step may be.
package struct StepCapacity: Sendable {
  /// Rows of all its leaves.
  package var rows: Int
  /// Sequences of all its leaves.
  package var sequences: Int

  package init(rows: Int, sequences: Int) { (self.rows, self.sequences) = (rows, sequences) }

  /// Of `leaves` of one sequence of `length` rows each, which ranks share out.
  package init(leaves: Int, length: Int, ranks: Int) {
    let own = (leaves + ranks - 1) / ranks
    self.init(rows: own * length, sequences: own)
  }
}

/// One rank's leaves of a step, ready for the decoder: each sequence a run of rows with cache blocks and a recurrent
/// state of its own.
struct StepBatch {
  let cache: KeyValueCache
  /// Of each sequence, in models that keep any.
  private let states: StateCache
  private let capacity: StepCapacity
  private let blockAddresses: AlignedBuffer<UnsafeRawPointer?>
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

  init(_ description: DecoderDescription, _ capacity: StepCapacity) throws {
    self.capacity = capacity
    let blockCount = max(1, capacity.rows / KeyValueCache.blockTokens + capacity.sequences)
    // Keys and values as they were computed.
    cache = try KeyValueCache(description, type: .f32, blockCount: blockCount)
    states = try StateCache(description, slotCount: capacity.sequences)
    blockAddresses = AlignedBuffer(count: blockCount)
    nextList = AlignedBuffer(count: max(1, capacity.rows))
    targetList = AlignedBuffer(count: max(1, capacity.rows))
    aheadList = AlignedBuffer(count: max(1, capacity.rows))
    for block in 0..<blockCount {
      blockAddresses.pointer[block] = UnsafeRawPointer(cache.address(ofBlock: Int32(block)))
    }
  }

  /// The token after each row's.
  var next: UnsafePointer<Int32> { UnsafePointer(nextList.pointer) }
  var targets: Targets { Targets(next: UnsafePointer(targetList.pointer), ahead: UnsafePointer(aheadList.pointer)) }

  /// Takes the leaves with these numbers, in their order.
  mutating func fill(_ numbers: Range<Int>, _ read: (_ leaf: Int, _ rows: inout LeafRows) throws -> Void) throws {
    decoderBatch.clear()
    leaves.removeAll(keepingCapacity: true)
    (predictedCount, predictedAheadCount) = (0, 0)
    var (block, sequences) = (0, 0)
    for number in numbers {
      var rows = LeafRows()
      try read(number, &rows)
      let first = decoderBatch.tokens.count
      sequences += rows.sequences.count
      precondition(
        first + rows.count <= capacity.rows && sequences <= capacity.sequences, "a step of more than it may be")
      decoderBatch.tokens += rows.tokens
      for sequence in rows.sequences {
        let slot = decoderBatch.chunks.count
        decoderBatch.chunks.append(
          DecoderBatch.Chunk(
            firstRow: first + sequence.lowerBound, count: sequence.count, startPosition: 0,
            blocks: UnsafePointer(blockAddresses.pointer + block), outputs: .none,
            state: slot < states.slotCount ? states.address(ofSlot: Int32(slot)) : nil))
        block += KeyValueCache.blockCount(tokens: sequence.count)
      }
      for i in 0..<rows.count {
        nextList.pointer[first + i] = rows.next[i]
        (targetList.pointer[first + i], aheadList.pointer[first + i]) = (rows.targets[i], rows.ahead[i])
        if rows.targets[i] >= 0 { predictedCount += 1 }
        if rows.ahead[i] >= 0 { predictedAheadCount += 1 }
      }
      leaves.append(
        Leaf(
          number: number, rows: first..<(first + rows.count),
          sequences: rows.sequences.map { ($0.lowerBound + first)..<($0.upperBound + first) }))
    }
  }
}
