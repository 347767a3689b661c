import Fabric
import Kernels
import MoEModel
import Tensors

/// The tokens that meet at one rank in one layer, its own and those of others, and their partial sums.
final class Arrivals {
  struct Source {
    /// nil for this rank's own tokens.
    var rank: Rank?
    var tokenCount: Int
    var firstReturn: Int
    var returnCount: Int
  }

  /// One row to be returned: the sum of the visits `first ..< first + count`.
  private struct Node {
    var first: Int
    var count: Int
  }

  private let placement: ExpertPlacement
  private let compute: Compute
  private let bank: any ExpertComputation
  private var inputs: [UnsafeRawPointer] = []
  private var visits: [ExpertVisit] = []
  /// The expert of each visit.
  private(set) var expertIDs: [Int32] = []
  private var nodes: [Node] = []
  private var returnRows: [UnsafeMutablePointer<Float>] = []
  private(set) var sources: [Source] = []

  init(placement: ExpertPlacement, bank: any ExpertComputation, compute: Compute) {
    self.bank = bank
    self.placement = placement
    self.compute = compute
  }

  func begin() {
    inputs.removeAll(keepingCapacity: true)
    visits.removeAll(keepingCapacity: true)
    expertIDs.removeAll(keepingCapacity: true)
    nodes.removeAll(keepingCapacity: true)
    sources.removeAll(keepingCapacity: true)
  }

  func addOwn(_ destination: DispatchPlan.Destination, input: Rows) {
    beginSource(nil, tokenCount: destination.tokens.count)
    var visit = 0
    for (i, token) in destination.tokens.enumerated() {
      beginToken(input.form(of: Int(token)))
      for _ in 0..<destination.visitCounts[i] {
        addVisit(destination.experts[visit], destination.weights[visit])
        visit += 1
      }
    }
    endSource()
  }

  func add(_ message: DispatchMessage, from rank: Rank) {
    beginSource(rank, tokenCount: message.tokenCount)
    var visit = 0
    for token in 0..<message.tokenCount {
      beginToken(UnsafeRawPointer(message.row(token)))
      for _ in 0..<message.visitCounts[token] {
        addVisit(message.experts[visit], message.weights[visit])
        visit += 1
      }
    }
    endSource()
  }

  private var tokenIsNew = true

  private func beginSource(_ rank: Rank?, tokenCount: Int) {
    sources.append(Source(rank: rank, tokenCount: tokenCount, firstReturn: nodes.count, returnCount: 0))
  }

  private func endSource() {
    sources[sources.count - 1].returnCount = nodes.count - sources[sources.count - 1].firstReturn
  }

  private func beginToken(_ row: UnsafeRawPointer) {
    inputs.append(row)
    tokenIsNew = true
  }

  private func addVisit(_ expert: Int32, _ weight: Float) {
    if tokenIsNew || !placement.sharesNode(expertIDs[expertIDs.count - 1], expert) {
      nodes.append(Node(first: visits.count, count: 0))
    }
    tokenIsNew = false
    nodes[nodes.count - 1].count += 1
    visits.append(ExpertVisit(row: Int32(inputs.count - 1), expert: expert, weight: weight))
    expertIDs.append(expert)
  }

  /// Runs the experts on all visits and adds up each node; returns the number of distinct experts.
  func compute(layer: Int) -> Int {
    let before = bank.expertsVisited
    run(bank, layer: layer)
    return bank.expertsVisited - before
  }

  private func run(_ bank: any ExpertComputation, layer: Int) {
    returnRows.removeAll(keepingCapacity: true)
    inputs.withUnsafeBufferPointer { inputs in
      visits.withUnsafeBufferPointer { visits in
        guard let base = inputs.baseAddress else { return }
        bank.run(layer: layer, inputs: base, visits: visits)
      }
    }
    guard !nodes.isEmpty else { return }
    for node in nodes { returnRows.append(bank.product(node.first)) }
    let (nodes, compute) = (nodes, compute)
    expertIDs.withUnsafeBufferPointer { ids in
      visits.withUnsafeBufferPointer { visits in
        compute.pool.run { worker in
          for n in compute.share(of: nodes.count, worker: worker) {
            let first = nodes[n].first
            _ = bank.sum(visits.baseAddress!, first: first, count: nodes[n].count, ids: ids.baseAddress! + first, compute)
          }
        }
      }
    }
  }

  /// The rows to be returned to a source, in the order both sides know; valid until the next layer.
  func returns(toSource index: Int) -> ArraySlice<UnsafeMutablePointer<Float>> {
    let source = sources[index]
    return returnRows[source.firstReturn..<(source.firstReturn + source.returnCount)]
  }
}
