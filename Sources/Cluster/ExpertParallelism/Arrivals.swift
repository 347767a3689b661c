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

  private let own: Rank
  private let placement: ExpertPlacement
  private let compute: Compute
  private let bank: any ExpertComputation
  private let inputs = GrowingList<UnsafeRawPointer>()
  private let visits = GrowingList<ExpertVisit>()
  /// The expert of each visit.
  private let expertIDs = GrowingList<Int32>()
  private let nodes = GrowingList<Node>()
  private let returnRows = GrowingList<UnsafeMutablePointer<Float>>()
  private(set) var sources: [Source] = []

  init(own: Rank, placement: ExpertPlacement, bank: any ExpertComputation, compute: Compute) {
    self.own = own
    self.bank = bank
    self.placement = placement
    self.compute = compute
  }

  var experts: UnsafeBufferPointer<Int32> { UnsafeBufferPointer(start: expertIDs.elements, count: expertIDs.count) }

  func begin() {
    inputs.removeAll()
    visits.removeAll()
    expertIDs.removeAll()
    nodes.removeAll()
    returnRows.removeAll()
    sources.removeAll(keepingCapacity: true)
  }

  func addOwn(_ destination: DispatchPlan.Destination, input: Rows) {
    add(
      nil, tokenCount: destination.tokens.count, visitCount: destination.experts.count,
      visitCounts: destination.visitCounts.baseAddress!,
      experts: destination.experts.baseAddress!, weights: destination.weights.baseAddress!
    ) { input.form(of: Int(destination.tokens[$0])) }
  }

  /// Takes the visits to this rank's experts.
  func add(_ message: DispatchMessage, from rank: Rank) {
    add(
      rank, tokenCount: message.tokenCount, visitCount: message.visitCount, visitCounts: message.visitCounts,
      experts: message.experts,
      weights: message.weights
    ) { UnsafeRawPointer(message.row($0)) }
  }

  private func add(
    _ source: Rank?, tokenCount: Int, visitCount: Int, visitCounts: UnsafePointer<Int32>, experts: UnsafePointer<Int32>,
    weights: UnsafePointer<Float>, row: (Int) -> UnsafeRawPointer
  ) {
    let (firstInput, firstVisit, firstNode) = (self.inputs.count, self.visits.count, self.nodes.count)
    let (inputs, visits) = (self.inputs.extend(by: tokenCount), self.visits.extend(by: visitCount))
    let (ids, nodes) = (expertIDs.extend(by: visitCount), self.nodes.extend(by: visitCount))
    let (owners, nodeOfExpert, own) = (placement.ownerIndices, placement.nodes, Int32(own.index))
    var (seen, tokens, taken, nodeCount) = (0, 0, 0, 0)
    for token in 0..<tokenCount {
      let (end, before) = (seen + Int(visitCounts[token]), taken)
      var node: Int32 = -1
      while seen < end {
        let (expert, weight) = (experts[seen], weights[seen])
        seen += 1
        guard owners[Int(expert)] == own else { continue }
        if nodeOfExpert[Int(expert)] != node {
          node = nodeOfExpert[Int(expert)]
          nodes[nodeCount] = Node(first: firstVisit + taken, count: 0)
          nodeCount += 1
        }
        nodes[nodeCount - 1].count += 1
        visits[taken] = ExpertVisit(row: Int32(firstInput + tokens), expert: expert, weight: weight)
        ids[taken] = expert
        taken += 1
      }
      guard taken > before else { continue }
      inputs[tokens] = row(token)
      tokens += 1
    }
    self.inputs.truncate(to: firstInput + tokens)
    self.visits.truncate(to: firstVisit + taken)
    expertIDs.truncate(to: firstVisit + taken)
    self.nodes.truncate(to: firstNode + nodeCount)
    sources.append(Source(rank: source, tokenCount: tokens, firstReturn: firstNode, returnCount: nodeCount))
  }
  /// Runs the experts on all visits and adds up each node; returns the number of distinct experts.
  func compute(layer: Int) -> Int {
    let before = bank.expertsVisited
    run(bank, layer: layer)
    return bank.expertsVisited - before
  }

  private func run(_ bank: any ExpertComputation, layer: Int) {
    returnRows.removeAll()
    guard visits.count > 0 else { return }
    let visits = UnsafeBufferPointer(start: visits.elements, count: visits.count)
    bank.run(layer: layer, inputs: inputs.elements, visits: visits)
    let (nodes, count, ids, compute) = (nodes.elements, nodes.count, expertIDs.elements, compute)
    let rows = returnRows.extend(by: count)
    compute.pool.run { worker in
      for n in compute.share(of: count, worker: worker) {
        let first = nodes[n].first
        rows[n] = bank.sum(visits.baseAddress!, first: first, count: nodes[n].count, ids: ids + first, compute)
      }
    }
  }

  /// The rows to be returned to a source, in the order both sides know; valid until the next layer.
  func returns(toSource index: Int) -> UnsafeBufferPointer<UnsafeMutablePointer<Float>> {
    let source = sources[index]
    return UnsafeBufferPointer(start: returnRows.elements + source.firstReturn, count: source.returnCount)
  }
}
