import ExpertParallelism
import Fabric
import ForwardingCommunicator
import Kernels
import Machine
import MoEModel
import Telemetry
import Tensors
import TestSupport

/// One rank's tokens in one layer, with their router's decisions.
struct RankTokens: Sendable {
  var inputs: [Float] = []
  var experts: [Int32] = []
  var weights: [Float] = []

  var count: Int { inputs.count / TinyMoE.hiddenSize }

  /// `count` random tokens; `experts`, when given, are chosen by all of them.
  init(
    _ count: Int, expertCount: Int, topK: Int, experts chosen: [Int32]? = nil, using generator: inout SeededGenerator
  ) {
    for _ in 0..<count {
      for _ in 0..<TinyMoE.hiddenSize { inputs.append(generator.float()) }
      experts += chosen ?? generator.ids(topK, below: expertCount)
      for _ in 0..<topK { weights.append(generator.float()) }
    }
  }

  /// The inputs as the model's experts meet them.
  func withRows<Result>(_ model: TinyMoE, _ compute: Compute, _ body: (Rows) throws -> Result) rethrows -> Result {
    let rounded = RowBuffer(model.wire().tokens, columns: TinyMoE.hiddenSize, rows: count)
    return try (inputs + [0]).withUnsafeBufferPointer { input in
      for row in 0..<count { rounded.round(compute, row: row, input.baseAddress! + row * TinyMoE.hiddenSize) }
      return try body(rounded.rows(of: input.baseAddress!, stride: TinyMoE.hiddenSize))
    }
  }

  func decisions(topK: Int) -> RouterDecisions {
    let decisions = RouterDecisions(capacity: max(count, 1), topK: topK)
    for i in experts.indices {
      decisions.experts.pointer[i] = experts[i]
      decisions.weights.pointer[i] = weights[i]
    }
    return decisions
  }
}

/// Runs the same steps through each implementation of the expert layer.
struct ExpertScenario: Sendable {
  /// `shared` is distributed through shared memory, of which there is less than the larger messages need; `rounded`
  /// has sums come back in bf16; `relayed` has several hosts of several ranks, and room to relay steps of so many
  /// tokens of a rank.
  enum Implementation: Sendable, Equatable {
    case distributed, shared, reference, rounded
    case relayed(ranksPerHost: Int, room: Int)

    /// Tokens that there is shared memory for.
    var room: Int? {
      switch self {
      case .shared: 4
      case .relayed(_, let room): room
      default: nil
      }
    }
  }

  let model: TinyMoE
  let threads: Int
  /// Of weights that each worker fetches while outputs come back.
  var fetchByteCount = 0
  /// `[step][rank]`; each step goes through all layers.
  let steps: [[RankTokens]]

  /// Output bits by step, layer and rank.
  typealias Outputs = [[[[UInt32]]]]

  func run(_ implementation: Implementation, placement: ExpertPlacement, eagerByteLimit: Int) throws -> Outputs {
    try run(implementation, placement: placement.everywhere, eagerByteLimit: eagerByteLimit)
  }

  func run(_ implementation: Implementation, placement: ModelPlacement, eagerByteLimit: Int) throws -> Outputs {
    let byRank = try LocalFabric.run(size: placement.rankCount, eagerByteLimit: eagerByteLimit) { local in
      var communicator: any Communicator = local
      if case .relayed(let ranksPerHost, _) = implementation {
        communicator = HostedCommunicator(local, ranksPerHost: ranksPerHost)
      }
      let rank = communicator.rank
      let compute = try makeCompute()
      let bank = ExpertBank(
        model.description, moe: model.moe,
        weights: model.weights { placement.holds(layer: $0, expert: $1, rank) },
        compute: compute)
      let wire = model.wire(sums: implementation == .rounded ? .bfloat16 : .float32)
      let cluster = ClusterDispatcher(
        communicator: communicator, placement: placement, compute: compute, wire: wire, topK: model.moe.topK,
        telemetry: telemetry(model, placement.base), clocks: try PeerClocks(communicator),
        channels: try implementation.room.flatMap { room in
          try ExpertChannels(
            communicator, placement: placement, wire: wire, topK: model.moe.topK, batchTokens: room,
            hostOfRank: try PeerClocks(communicator).hostOfRank)
        })
      let reference = ReferenceDispatcher(
        communicator: communicator, placement: placement, rowFormat: bank.rowFormat, hiddenSize: TinyMoE.hiddenSize)
      let dispatcher: any ExpertDispatcher = implementation == .reference ? reference : cluster
      return try steps.map { tokens in
        try cluster.beginStep(rowsByRank: tokens.map(\.count))
        return try outputs(dispatcher, bank, tokens[rank.index], compute)
      }
    }
    return steps.indices.map { step in
      (0..<TinyMoE.layerCount).map { layer in byRank.map { $0[step][layer] } }
    }
  }

  /// What a rank that holds every expert computes for each rank's tokens by themselves.
  func runLocally() throws -> Outputs {
    let compute = try makeCompute()
    let bank = ExpertBank(
      model.description, moe: model.moe, weights: model.weights { _, _ in true }, compute: compute)
    let local = LocalDispatcher(compute: compute, hiddenSize: TinyMoE.hiddenSize)
    return try steps.map { tokens in
      let byRank = try tokens.map { try outputs(local, bank, $0, compute) }
      return (0..<TinyMoE.layerCount).map { layer in byRank.map { $0[layer] } }
    }
  }

  private func makeCompute() throws -> Compute {
    Compute(
      pool: try WorkerPool(cores: Array(0..<threads), pin: false, oversubscribed: true), fetchByteCount: fetchByteCount)
  }

  /// One step's output bits by layer; they start as NaN, so that none can be left out.
  private func outputs(
    _ dispatcher: some ExpertDispatcher, _ experts: any RoutedExperts, _ tokens: RankTokens, _ compute: Compute
  ) throws -> [[UInt32]] {
    let weights = [UInt8](repeating: 1, count: 1 << 14)
    return try (0..<TinyMoE.layerCount).map { layer in
      var output = [Float](repeating: .nan, count: max(tokens.inputs.count, 1))
      try output.withUnsafeMutableBufferPointer { output in
        try tokens.withRows(model, compute) { rows in
          let flight = try dispatcher.dispatch(
            rows, count: tokens.count, tokens.decisions(topK: model.moe.topK), layer: layer)
          try experts.forward(flight)
          try weights.withUnsafeBytes { bytes in
            let next = NextWeights(workerCount: threads)
            for worker in 0..<threads {
              next.add(MemoryRun(bytes.baseAddress!, byteCount: bytes.count), worker: worker)
            }
            try dispatcher.combine(flight, into: output.baseAddress!, next: fetchByteCount > 0 ? next : nil)
          }
          dispatcher.release(flight)
        }
      }
      return output.prefix(tokens.inputs.count).map(\.bitPattern)
    }
  }
}

/// An account for one rank of a tiny MoE model.
func telemetry(_ model: TinyMoE, _ placement: ExpertPlacement) -> RankTelemetry {
  RankTelemetry(
    layerCount: TinyMoE.layerCount, expertCount: model.moe.expertCount, rankCount: placement.rankCount)
}

/// One rank's part of the experts, and its way to others'.
struct RankExperts {
  let cluster: ClusterDispatcher
  let dispatcher: MeteredDispatcher
  let experts: MeteredExperts

  func beginStep(rowsByRank: [Int]) throws(ExpertParallelismError) { try cluster.beginStep(rowsByRank: rowsByRank) }
}

/// One rank's experts over one worker; `room` are tokens that there is shared memory for.
func layer(
  _ model: TinyMoE, _ placement: ExpertPlacement, _ communicator: any Communicator, counting: RankTelemetry? = nil,
  room: Int? = nil
) throws -> RankExperts {
  let compute = Compute(pool: try WorkerPool(workerCount: 1))
  let bank = ExpertBank(
    model.description, moe: model.moe, weights: model.weights { placement.holds($1, communicator.rank) },
    compute: compute)
  let telemetry = counting ?? telemetry(model, placement)
  let cluster = ClusterDispatcher(
    communicator: communicator, placement: placement.everywhere, compute: compute, wire: model.wire(),
    topK: model.moe.topK,
    telemetry: telemetry, clocks: try PeerClocks(communicator),
    channels: try room.flatMap { room in
      try ExpertChannels(
        communicator, placement: placement.everywhere, wire: model.wire(), topK: model.moe.topK, batchTokens: room,
        hostOfRank: try PeerClocks(communicator).hostOfRank)
    })
  return RankExperts(
    cluster: cluster, dispatcher: MeteredDispatcher(cluster, telemetry: telemetry),
    experts: MeteredExperts(bank, telemetry: telemetry))
}

/// Sends tokens through layer 0.
func run(_ rank: RankExperts, _ tokens: RankTokens, topK: Int) throws {
  // Of a model whose experts meet fp32 rows.
  var output = [Float](repeating: 0, count: tokens.inputs.count + 1)
  try output.withUnsafeMutableBufferPointer { output in
    try (tokens.inputs + [0]).withUnsafeBufferPointer { input in
      let flight = try rank.dispatcher.dispatch(
        Rows(input.baseAddress!, stride: TinyMoE.hiddenSize), count: tokens.count, tokens.decisions(topK: topK),
        layer: 0)
      try rank.experts.forward(flight)
      try rank.dispatcher.combine(flight, into: output.baseAddress!)
      rank.dispatcher.release(flight)
    }
  }
}
