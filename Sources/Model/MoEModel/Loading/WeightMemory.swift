import Checkpoints
import Machine

/// The memory that a rank's weights are put into, or lie in already.
package struct WeightMemory: Sendable {
  /// One arena for each NUMA node that is used.
  package struct Pool: Sendable {
    package let arenas: [NodeArena]
    /// Whether the panels are there already, or another rank puts them there.
    package let isFilled: Bool

    package init(arenas: [NodeArena], isFilled: Bool) { (self.arenas, self.isFilled) = (arenas, isFilled) }

    func arena(_ node: Int) -> NodeArena? { arenas.first { $0.node == node } }
  }

  /// What no other rank has a part in: experts, and the rest too where `shared` is nil.
  package var own: Pool
  /// What is no routed expert, where ranks of a host have it in common.
  package var shared: Pool?
  /// Whether the small vectors have a place at the start of the first own arena, so that they are kept with the panels.
  package var holdsVectors = false

  package init(own: Pool, shared: Pool? = nil) { (self.own, self.shared) = (own, shared) }

  /// Memory for all of it that is this rank's alone.
  static func plain(_ budget: WeightBudget, pool: WorkerPool) throws -> WeightMemory {
    let bytes = budget.bytesByNode(of: pool, .all)
    return WeightMemory(own: Pool(arenas: try bytes.map { try arena($0.node, $0.byteCount, pool) }, isFilled: false))
  }

  /// Memory that no other process may have, on a node of which other ranks of the host take about as much.
  package static func arena(_ node: Int, _ byteCount: Int, _ pool: WorkerPool) throws(MachineError) -> NodeArena {
    try NodeArena(node: node, byteCount: byteCount, processes: pool.processes(onNode: node))
  }

  var arenas: [NodeArena] { own.arenas + (shared?.arenas ?? []) }

  func pool(of spec: ParameterSpec) -> Pool { spec.expert == nil ? shared ?? own : own }
}

extension WeightBudget {
  package enum Part: Sendable { case all, shared, own }

  /// Bytes of panels on each NUMA node that the pool's workers use, in the order of nodes.
  package func bytesByNode(of pool: WorkerPool, _ part: Part) -> [(node: Int, byteCount: Int)] {
    var bytes: [Int: Int] = [:]
    for worker in 0..<pool.workerCount {
      let shared = sharedByWorker[worker]
      let count =
        switch part {
        case .all: bytesByWorker[worker]
        case .shared: shared
        case .own: bytesByWorker[worker] - shared
        }
      bytes[pool.node(ofWorker: worker), default: 0] += count
    }
    return bytes.sorted { $0.key < $1.key }.map { ($0.key, max($0.value, 64)) }
  }

  /// Room for the small vectors before the panels.
  package var vectorRoom: Int { vectorBytes + NodeArena.alignment }
}

/// A fingerprint of where a rank's weights lie in its memory: what is held, in which order, form and share of the
/// workers. Two programs that agree on it, and on what panels mean (`version`), can take each other's weights.
package struct WeightLayout: Sendable {
  /// To be raised by whoever changes what the bytes of a panel mean, or the order of parameters in memory. Panels are
  /// the same for all instruction sets.
  package static let version: UInt32 = 1

  /// Of what ranks may share, and of the rest: 32 bytes.
  package let shared: [UInt8]
  package let own: [UInt8]

  /// `nodes`: of each worker. `apart`: whether what ranks share lies by itself.
  package init(
    _ description: DecoderDescription, checkpoint: any Checkpoint, nodes: [Int], apart: Bool, owns: (Int, Int) -> Bool
  ) throws {
    let parameters = StoredParameters(description, checkpoint: checkpoint, workerCount: nodes.count)
    // On one node panels lie in the order of rows, whoever computes with them.
    let places = Set(nodes).count == 1 ? Array(nodes.prefix(1)) : nodes
    var hashes = [SHA256(), SHA256()]
    let slice = description.slice.map { "\($0.rank) of \($0.rankCount), \($0.dividesExperts)" } ?? "whole"
    for i in 0...1 { hashes[i].update(Array("\(places) \(slice)".utf8)) }
    try parameters.walk(owns: owns) { spec, found in
      let isShared = apart && spec.expert == nil
      switch found {
      case .matrices(let sources):
        for source in sources {
          let bounds = places.count > 1 ? source.bounds : []
          hashes[isShared ? 0 : 1].update(
            Array(
              """
              \(spec.role) \(spec.layer ?? -1) \(spec.expert ?? -1) \(source.rows) \(source.columns) \
              \(source.format) \(source.rowFormat) \(bounds);
              """
              .utf8))
        }
      // Every rank has vectors of its own.
      case .vector(let source):
        hashes[1].update(
          Array("\(spec.role) \(spec.id.isBias) \(spec.layer ?? -1) \(spec.expert ?? -1) \(source.count);".utf8))
      }
    }
    (shared, own) = (hashes[0].finish(), hashes[1].finish())
  }
}
