import Fabric
import Kernels
import MoEModel
import Tensors

/// One layer's tokens on their way through a cluster: where this rank's own went, whose come here, what all of them
/// visit here, and what came of it.
///
/// `ClusterDispatcher` makes it, and uses its memory again for a later layer.
package final class Flight: ExpertFlight {
  /// The tokens of one rank that meet at another.
  struct Source {
    /// nil for this rank's own tokens.
    var rank: Rank?
    var tokenCount: Int
    var firstOutput: Int
    var outputCount: Int
  }

  private let own: Rank
  // One thread takes a flight through its layer.
  @exclusivity(unchecked) private(set) var transport: any Transport
  @exclusivity(unchecked) private(set) var layer = 0
  /// This rank's tokens.
  private(set) var tokenCount = 0
  /// Where they went, and what comes back for them.
  let plan: DispatchPlan
  /// Tokens that came here: others', and this rank's own unless these are computed apart.
  private let arrivals: Arrivals
  /// Own tokens, where they are computed apart.
  private let ownVisits: Arrivals
  private var isSplit = false
  /// Which of the two are still to be computed.
  private var awaitsArrivals = false
  private var awaitsOwn = false
  /// Own tokens that are still to be put with the others'.
  @exclusivity(unchecked) private var ownRows: Rows?
  /// By rank: tokens that are here, but not yet in order.
  @exclusivity(unchecked) private var messages: [DispatchMessage?]
  /// Ranks whose tokens this layer waits for, and how many each has at most.
  @exclusivity(unchecked) private var sources: [Rank] = []
  @exclusivity(unchecked) private var rowsByRank: [Int]
  /// Ranks that return outputs, and by rank where these lie.
  @exclusivity(unchecked) var owners: [Rank] = []
  @exclusivity(unchecked) var returned: [UnsafeMutablePointer<Float>?]

  init(own: Rank, transport: any Transport, hostOfRank: [Int]) {
    self.own = own
    self.transport = transport
    plan = DispatchPlan(own: own, hostOfRank: hostOfRank)
    let place = Int32(Gateways(hostOfRank: hostOfRank).place(of: own))
    arrivals = Arrivals(place: place)
    ownVisits = Arrivals(place: place)
    rowsByRank = Array(repeating: 0, count: hostOfRank.count)
    messages = Array(repeating: nil, count: hostOfRank.count)
    returned = Array(repeating: nil, count: hostOfRank.count)
  }

  /// Begins a layer of a step in which ranks have so many tokens: gets ready for others', and plans where own ones go.
  func begin(
    layer: Int, _ transport: any Transport, rowsByRank: [Int], _ decisions: RouterDecisions, tokenCount: Int
  ) throws {
    (self.layer, self.transport, self.tokenCount) = (layer, transport, tokenCount)
    for rank in rowsByRank.indices { self.rowsByRank[rank] = rowsByRank[rank] }
    sources.removeAll(keepingCapacity: true)
    owners.removeAll(keepingCapacity: true)
    try transport.expectTokens(rowsByRank: rowsByRank, from: &sources)
    plan.build(
      decisions, rows: tokenCount, placement: transport.placement[layer], receivers: transport.receivers?.pointer)
    arrivals.begin(layer: layer)
    ownVisits.begin(layer: layer)
  }

  /// Whether messages are under way that move on only when somebody polls.
  var travels: Bool { transport.travels(sources) }

  /// Takes in this rank's own tokens: with the others', or apart.
  func addOwn(_ rows: Rows, apart: Bool) {
    isSplit = apart
    ownRows = apart ? nil : rows
    if apart { ownVisits.addOwn(plan.destination(own.index), rows) }
    (awaitsArrivals, awaitsOwn) = (true, apart)
  }

  /// This rank's outputs for its own tokens, in the order of the plan's totals.
  var ownOutputs: UnsafeBufferPointer<UnsafeMutablePointer<Float>> { (isSplit ? ownVisits : arrivals).ownOutputs }

  /// Own tokens that are computed apart come when nothing else can be done: before others' tokens are here, or after
  /// their outputs have left.
  package func next() throws -> VisitBatch? {
    if awaitsOwn, try !awaitsArrivals || !haveArrived() {
      awaitsOwn = false
      return ownVisits.batch
    }
    guard awaitsArrivals else { return nil }
    awaitsArrivals = false
    for source in sources {
      let bytes = try transport.tokens.receive(from: source, layer: layer)
      messages[source.index] = try transport.read(
        bytes, from: source, layer: layer, tokenLimit: rowsByRank[source.index])
    }
    for rank in messages.indices {
      if rank == own.index, let ownRows {
        arrivals.addOwn(plan.destination(rank), ownRows)
      } else if let message = messages[rank] {
        messages[rank] = nil
        arrivals.add(message, from: Rank(rank))
      }
    }
    return arrivals.batch
  }

  private func haveArrived() throws -> Bool {
    for source in sources { guard try transport.tokens.hasArrived(from: source) else { return false } }
    return true
  }

  package func finish(_ batch: VisitBatch) throws {
    guard batch === arrivals.batch else { return }
    for source in sources { try transport.tokens.release(from: source) }
    sources.removeAll(keepingCapacity: true)
    try transport.returnOutputs(of: arrivals)
  }
}

extension Flight {
  /// Tokens that meet at one rank, source by source in order of rank, and their visits to its experts: whoever adds up
  /// over tokens finds them in the same order on any number of ranks.
  final class Arrivals {
    let batch = VisitBatch()
    @exclusivity(unchecked) private(set) var sources: [Source] = []
    /// This rank's on its host.
    private let place: Int32

    init(place: Int32) { self.place = place }

    var layer: Int { batch.layer }

    func begin(layer: Int) {
      batch.begin(layer: layer)
      sources.removeAll(keepingCapacity: true)
    }

    func addOwn(_ destination: DispatchPlan.Destination, _ rows: Rows) {
      add(
        nil, tokenCount: destination.tokens.count, visitCount: destination.visits.count,
        visitCounts: destination.visitCounts.start, visits: destination.visits.start, weights: destination.weights.start
      ) { rows.form(of: Int(destination.tokens[$0])) }
    }

    /// Takes the visits to this rank's experts.
    func add(_ message: DispatchMessage, from rank: Rank) {
      add(
        rank, tokenCount: message.tokenCount, visitCount: message.visitCount, visitCounts: message.visitCounts,
        visits: message.visits, weights: message.weights
      ) { UnsafeRawPointer(message.row($0)) }
    }

    private func add(
      _ source: Rank?, tokenCount: Int, visitCount: Int, visitCounts: UnsafePointer<Int32>,
      visits words: UnsafePointer<VisitWord>, weights: UnsafePointer<Float>, row: (Int) -> UnsafeRawPointer
    ) {
      // Asked for once: each time costs a reference.
      let (allInputs, allVisits, allExperts, allSubtrees) = (batch.inputs, batch.visits, batch.experts, batch.subtrees)
      let (firstInput, firstVisit, firstSubtree) = (allInputs.count, allVisits.count, allSubtrees.count)
      let (inputs, visits) = (allInputs.extend(by: tokenCount), allVisits.extend(by: visitCount))
      let (ids, subtrees) = (allExperts.extend(by: visitCount), allSubtrees.extend(by: visitCount))
      var (seen, tokens, taken, subtreeCount) = (0, 0, 0, 0)
      for token in 0..<tokenCount {
        let (end, before) = (seen + Int(visitCounts[token]), taken)
        while seen < end {
          let (word, weight) = (words[seen], weights[seen])
          seen += 1
          guard word.place == place else { continue }
          let expert = word.expert
          if word.beginsSubtree {
            subtrees[subtreeCount] = VisitBatch.Subtree(first: firstVisit + taken, count: 0)
            subtreeCount += 1
          }
          subtrees[subtreeCount - 1].count += 1
          visits[taken] = ExpertVisit(row: Int32(firstInput + tokens), expert: expert, weight: weight)
          ids[taken] = expert
          taken += 1
        }
        guard taken > before else { continue }
        inputs[tokens] = row(token)
        tokens += 1
      }
      allInputs.truncate(to: firstInput + tokens)
      allVisits.truncate(to: firstVisit + taken)
      allExperts.truncate(to: firstVisit + taken)
      allSubtrees.truncate(to: firstSubtree + subtreeCount)
      sources.append(Source(rank: source, tokenCount: tokens, firstOutput: firstSubtree, outputCount: subtreeCount))
    }

    /// The rows for this rank's own tokens.
    var ownOutputs: UnsafeBufferPointer<UnsafeMutablePointer<Float>> {
      guard let index = sources.firstIndex(where: { $0.rank == nil }) else { return .init(start: nil, count: 0) }
      return outputs(ofSource: index)
    }

    /// The rows to be returned to a source, in the order both sides know.
    func outputs(ofSource index: Int) -> UnsafeBufferPointer<UnsafeMutablePointer<Float>> {
      let source = sources[index]
      return UnsafeBufferPointer(start: batch.outputs.elements + source.firstOutput, count: source.outputCount)
    }
  }
}
