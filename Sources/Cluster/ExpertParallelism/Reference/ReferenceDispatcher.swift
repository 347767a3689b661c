import Fabric
import Kernels
import MoEModel
import Tensors

/// The specification of dispatch and combine: read this first. `ClusterDispatcher` gives the same bits and differs only
/// in what it sends, when, and how much is computed at once.
///
/// Every rank learns every rank's tokens and decisions, has each visit to an expert it owns computed by itself, and
/// tells everyone the output; replicas are not used; a token's home adds its outputs along `CombineTree`, straight from
/// the definition. Any number of tokens on any rank; nothing is kept from one layer to the next.
package final class ReferenceDispatcher: ExpertDispatcher {
  /// One token, as every rank sees it.
  fileprivate struct Token {
    var home: Rank
    /// As `Rows.form` gives it.
    var input: [UInt8]
    /// Ascending.
    var experts: [Int32]
    var weights: [Float]
  }

  /// All tokens of all ranks, whose visits to this rank's experts come one at a time, token by token.
  package final class Flight: ExpertFlight {
    fileprivate let layer: Int
    fileprivate let tokens: [Token]
    /// Outputs of this rank's experts so far, `[visits, output]`.
    fileprivate var outputs: [Float] = []
    private let outputSize: Int
    private let batch = VisitBatch()
    private let input: AlignedBuffer<UInt8>
    /// Tokens, and which of their visits, that are still to come.
    private var visits: [(token: Int, choice: Int)]

    fileprivate init(layer: Int, tokens: [Token], outputSize: Int, owns: (Int32) -> Bool) {
      (self.layer, self.tokens, self.outputSize) = (layer, tokens, outputSize)
      input = AlignedBuffer(count: tokens.first?.input.count ?? 0)
      visits = tokens.indices.flatMap { token in
        tokens[token].experts.indices.filter { owns(tokens[token].experts[$0]) }.map { (token, $0) }
      }
      visits.reverse()
    }

    package func next() -> VisitBatch? {
      guard let (token, choice) = visits.popLast() else { return nil }
      for (i, byte) in tokens[token].input.enumerated() { input.pointer[i] = byte }
      batch.begin(layer: layer)
      batch.inputs.append(UnsafeRawPointer(input.pointer))
      batch.append(expert: tokens[token].experts[choice], weight: tokens[token].weights[choice], beginsSubtree: true)
      return batch
    }

    package func finish(_ batch: VisitBatch) {
      outputs += UnsafeBufferPointer(start: batch.outputs.elements[0], count: outputSize)
    }
  }

  private let communicator: any Communicator
  private let placement: ModelPlacement
  private let rowFormat: RowFormat
  private let hiddenSize: Int
  private let outputSize: Int

  /// `rowFormat` is that of the rows the experts meet, `[hiddenSize]`; what they give is `[outputSize]`, which is
  /// `hiddenSize` unless given.
  package init(
    communicator: any Communicator, placement: ModelPlacement, rowFormat: RowFormat, hiddenSize: Int,
    outputSize: Int? = nil
  ) {
    (self.communicator, self.placement) = (communicator, placement)
    (self.rowFormat, self.hiddenSize) = (rowFormat, hiddenSize)
    self.outputSize = outputSize ?? hiddenSize
  }

  package func dispatch(_ rows: Rows, count: Int, _ decisions: RouterDecisions, layer: Int) throws -> Flight {
    let tokens = try gatherTokens(layer: layer, rows: count, input: rows, decisions: decisions)
    return Flight(layer: layer, tokens: tokens, outputSize: outputSize) {
      placement[layer].owner(of: $0) == communicator.rank
    }
  }

  /// The walk by which each rank computed its visits finds each visit's output next in its owner's list.
  package func combine(_ flight: Flight, into output: UnsafeMutablePointer<Float>, next: NextWeights?) throws {
    let outputsByOwner = try allGather(flight.outputs)
    try checkCounts(outputsByOwner, flight.tokens, layer: flight.layer)
    var taken = Array(repeating: 0, count: communicator.size)
    var row = 0
    for token in flight.tokens {
      let values = token.experts.map { expert in
        let owner = placement[flight.layer].owner(of: expert).index
        defer { taken[owner] += outputSize }
        return Array(outputsByOwner[owner][taken[owner]..<(taken[owner] + outputSize)])
      }
      guard token.home == communicator.rank else { continue }
      let sum = CombineTree.reference(ids: token.experts, values: values, base: 0, level: treeHeight) ?? []
      for (i, element) in sum.enumerated() { output[row * outputSize + i] = element }
      row += 1
    }
  }

  package func release(_ flight: Flight) {}

  /// The level whose one aligned range spans all experts.
  private var treeHeight: Int { Int.bitWidth - (placement.expertCount - 1).leadingZeroBitCount }

  /// Every rank's tokens, in order of rank. Collective.
  private func gatherTokens(layer: Int, rows: Int, input: Rows, decisions: RouterDecisions) throws -> [Token] {
    let topK = decisions.topK
    func array<T>(_ start: UnsafePointer<T>, _ count: Int) -> [T] {
      Array(UnsafeBufferPointer(start: start, count: count))
    }
    let width = rowFormat.formByteCount(columns: hiddenSize)
    let inputs = try allGather(
      (0..<rows).flatMap { array(input.form(of: $0).assumingMemoryBound(to: UInt8.self), width) })
    let experts = try allGather(array(decisions.experts.pointer, rows * topK))
    let weights = try allGather(array(decisions.weights.pointer, rows * topK))
    var tokens: [Token] = []
    for rank in 0..<communicator.size {
      func malformed(_ reason: String) -> ExpertParallelismError {
        .malformedDispatch(from: Rank(rank), layer: layer, reason: reason)
      }
      let count = inputs[rank].count / width
      guard inputs[rank].count == count * width, experts[rank].count == count * topK,
        weights[rank].count == count * topK
      else { throw malformed("\(inputs[rank].count) bytes for \(experts[rank].count) visits") }
      for row in 0..<count {
        let chosen = Array(experts[rank][(row * topK)..<((row + 1) * topK)])
        guard chosen.allSatisfy({ (0..<placement.expertCount).contains(Int($0)) }),
          zip(chosen, chosen.dropFirst()).allSatisfy({ $0 < $1 })
        else { throw malformed("token \(row) asks for experts \(chosen)") }
        tokens.append(
          Token(
            home: Rank(rank), input: Array(inputs[rank][(row * width)..<((row + 1) * width)]),
            experts: chosen, weights: Array(weights[rank][(row * topK)..<((row + 1) * topK)])))
      }
    }
    return tokens
  }

  private func checkCounts(_ outputs: [[Float]], _ tokens: [Token], layer: Int) throws {
    var expected = Array(repeating: 0, count: communicator.size)
    for token in tokens {
      for expert in token.experts { expected[placement[layer].owner(of: expert).index] += outputSize }
    }
    for rank in outputs.indices where outputs[rank].count != expected[rank] {
      throw ExpertParallelismError.malformedCombine(
        from: Rank(rank), layer: layer, bytes: outputs[rank].count * 4, expected: expected[rank] * 4)
    }
  }

  /// Every rank's elements, in order of rank; bytes that make no whole element are dropped. Collective.
  private func allGather<T: BitwiseCopyable>(_ elements: [T]) throws -> [[T]] {
    try communicator.allGather(elements.withUnsafeBytes { Array($0) }).map { bytes in
      bytes.withUnsafeBytes { bytes in
        (0..<(bytes.count / MemoryLayout<T>.stride)).map {
          bytes.loadUnaligned(fromByteOffset: $0 * MemoryLayout<T>.stride, as: T.self)
        }
      }
    }
  }
}
