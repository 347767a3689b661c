import Fabric
import Kernels
import MoEModel

/// The specification of the distributed expert layer: read this first. `DistributedExperts` gives the same bits and
/// differs only in what it sends, when, and how much it computes at once.
///
/// Every rank learns every rank's tokens and decisions, runs each visit to an expert it owns by itself, and tells
/// everyone the product; a token's home adds its products along `CombineTree`, straight from the definition.
/// Any number of tokens on any rank; nothing is kept from one call to the next.
package final class ReferenceExperts: ExpertLayer {
  /// One token, as every rank sees it.
  private struct Token {
    var home: Rank
    /// As `Rows.form` gives it.
    var input: [UInt8]
    /// Ascending.
    var experts: [Int32]
    var weights: [Float]
  }

  private let communicator: any Communicator
  private let placement: ExpertPlacement
  private let bank: ExpertBank
  private let hiddenSize: Int

  /// `bank` must hold the experts that `placement` gives to this rank.
  package init(communicator: any Communicator, placement: ExpertPlacement, bank: ExpertBank, hiddenSize: Int) {
    self.communicator = communicator
    self.placement = placement
    self.bank = bank
    self.hiddenSize = hiddenSize
  }

  package func run(
    layer: Int, rows: Int, input: Rows, decisions: RouterDecisions, output: UnsafeMutablePointer<Float>,
    meanwhile: () -> Void
  ) throws {
    meanwhile()
    let tokens = try gatherTokens(layer: layer, rows: rows, input: input, decisions: decisions)

    // Dispatch: of all visits, taken token by token, each rank computes those to its own experts.
    var products: [Float] = []
    for token in tokens {
      for (expert, weight) in zip(token.experts, token.weights) where placement.owner(of: expert) == communicator.rank {
        products += product(layer: layer, expert: expert, weight: weight, input: token.input)
      }
    }

    // Combine: the same walk finds each visit's product next in its owner's list.
    let productsByOwner = try allGather(products)
    try checkCounts(productsByOwner, tokens, layer: layer)
    var taken = Array(repeating: 0, count: communicator.size)
    var row = 0
    for token in tokens {
      let values = token.experts.map { expert in
        let owner = placement.owner(of: expert).index
        defer { taken[owner] += hiddenSize }
        return Array(productsByOwner[owner][taken[owner]..<(taken[owner] + hiddenSize)])
      }
      guard token.home == communicator.rank else { continue }
      let sum = CombineTree.reference(ids: token.experts, values: values, base: 0, level: treeHeight) ?? []
      for (i, element) in sum.enumerated() { output[row * hiddenSize + i] = element }
      row += 1
    }
  }

  /// The level whose one aligned range spans all experts.
  private var treeHeight: Int { Int.bitWidth - (placement.expertCount - 1).leadingZeroBitCount }

  /// weight · expert(input)
  private func product(layer: Int, expert: Int32, weight: Float, input: [UInt8]) -> [Float] {
    let visits = [ExpertVisit(row: 0, expert: expert, weight: weight)]
    return [Float](unsafeUninitializedCapacity: hiddenSize) { product, count in
      input.withUnsafeBytes { input in
        visits.withUnsafeBufferPointer { visits in
          withUnsafePointer(to: input.baseAddress!) { inputs in
            bank.run(layer: layer, inputs: inputs, visits: visits)
          }
        }
      }
      for i in 0..<hiddenSize { product.initializeElement(at: i, to: bank.product(0)[i] * weight) }
      count = hiddenSize
    }
  }

  /// Every rank's tokens, in order of rank. Collective.
  private func gatherTokens(
    layer: Int, rows: Int, input: Rows, decisions: RouterDecisions
  ) throws -> [Token] {
    let topK = decisions.topK
    func array<T>(_ start: UnsafePointer<T>, _ count: Int) -> [T] {
      Array(UnsafeBufferPointer(start: start, count: count))
    }
    let width = bank.rowFormat.formByteCount(columns: hiddenSize)
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

  private func checkCounts(_ products: [[Float]], _ tokens: [Token], layer: Int) throws {
    var expected = Array(repeating: 0, count: communicator.size)
    for token in tokens { for expert in token.experts { expected[placement.owner(of: expert).index] += hiddenSize } }
    for rank in products.indices where products[rank].count != expected[rank] {
      throw ExpertParallelismError.malformedCombine(
        from: Rank(rank), layer: layer, bytes: products[rank].count * 4, expected: expected[rank] * 4)
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
