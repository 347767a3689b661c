import Checkpoints
import Kernels
import Machine
import Synchronization
import Tensors

/// Reads one rank's weights: each worker reads the rows it will compute with, straight into panels in memory of its
/// own NUMA node.
package final class WeightLoader {
  private struct Task {
    let source: MatrixSource
    let shards: [UnsafeMutableRawPointer?]
    /// Of an expert that another rank reads too.
    let isReplica: Bool
  }

  /// What else than the weights it owns a rank holds.
  package struct Extras {
    /// Experts, by layer and number, that this rank holds beside their owner, and the sums of what is read of them.
    package var isReplica: (Int, Int) -> Bool = { _, _ in false }
    package var replicaSums: ReadSums?
    /// Experts that there is to be room for, to be moved there later.
    package var spareExperts = 0
    package init() {}
  }

  private let checkpoint: any Checkpoint
  private let sums: ReadSums
  private let extras: Extras
  private let pool: WorkerPool
  private let arenaOfWorker: [NodeArena]
  private var tasks: [Task] = []
  private var vectorCache: [String: [Float]] = [:]
  /// The memory the panels lie in, one arena for each NUMA node used; lives as long as the weights.
  package let arenas: [NodeArena]

  /// Loads all that this rank holds.
  ///
  /// `sums` gets the sums of what is read. `progress` is called from this thread now and then with the bytes read so
  /// far. Throws on missing, ill-shaped or unreadable tensors; nothing is left half-loaded for the caller.
  package static func load(
    _ description: DecoderDescription, checkpoint: any Checkpoint, pool: WorkerPool, budget: WeightBudget,
    owns: (Int, Int) -> Bool, sums: ReadSums, extras: Extras = Extras(), progress: (Int) -> Void
  ) throws -> (weights: ModelWeights, arenas: [NodeArena]) {
    let loader = try WeightLoader(checkpoint: checkpoint, sums: sums, extras: extras, pool: pool, budget: budget)
    let parameters = StoredParameters(description, checkpoint: checkpoint, workerCount: pool.workerCount)
    let held = try loader.hold(parameters, owns: owns)
    var weights = try WeightAssembly(description: description, held: held).model()
    try loader.fill(progress: progress)
    try checkpoint.checkUnchanged()
    weights.arenas = loader.arenas
    weights.parameters = held
    weights.spareExperts = try loader.spareExperts(parameters)
    return (weights, loader.arenas)
  }

  private init(
    checkpoint: any Checkpoint, sums: ReadSums, extras: Extras, pool: WorkerPool, budget: WeightBudget
  ) throws {
    self.checkpoint = checkpoint
    (self.sums, self.extras) = (sums, extras)
    self.pool = pool
    var bytesByNode: [Int: Int] = [:]
    for worker in 0..<pool.workerCount {
      bytesByNode[pool.node(ofWorker: worker), default: 0] += budget.bytesByWorker[worker]
    }
    var arenaByNode: [Int: NodeArena] = [:]
    for (node, byteCount) in bytesByNode {
      arenaByNode[node] = try NodeArena(node: node, byteCount: max(byteCount, 64))
    }
    arenas = bytesByNode.keys.sorted().map { arenaByNode[$0]! }
    arenaOfWorker = (0..<pool.workerCount).map { arenaByNode[pool.node(ofWorker: $0)]! }
  }

  /// Reserves memory for matrices and reads vectors: a matrix's bias, which comes after it, goes with its parts.
  private func hold(_ parameters: StoredParameters, owns: (Int, Int) -> Bool) throws -> HeldParameters {
    var held = HeldParameters(parameters.table)
    var last: (id: ParameterID, parts: [MatrixSource])?
    func close(bias: AlignedBuffer<Float>? = nil) throws {
      guard let (id, parts) = last else { return }
      let isReplica = id.layer.flatMap { layer in id.expert.map { extras.isReplica(layer, $0) } } ?? false
      held.add(id, try parts.map { try matrix($0, bias: bias, isReplica: isReplica) })
      last = nil
    }
    try parameters.walk(owns: owns) { spec, found in
      switch found {
      case .matrices(let sources):
        try close()
        last = (spec.id, sources)
      case .vector(let source) where spec.id.isBias: try close(bias: vector(source))
      case .vector(let source):
        try close()
        held.add(spec.id, try vector(source))
      }
    }
    try close()
    return held
  }

  private func matrix(
    _ source: MatrixSource, bias: AlignedBuffer<Float>?, isReplica: Bool
  ) throws -> PackedMatrix {
    let matrix = try reserve(source, bias: bias)
    tasks.append(Task(source: source, shards: matrix.shards, isReplica: isReplica))
    return matrix
  }

  /// Room for a matrix, and nothing in it.
  private func reserve(_ source: MatrixSource, bias: AlignedBuffer<Float>?) throws -> PackedMatrix {
    let shards = try (0..<pool.workerCount).map { worker -> UnsafeMutableRawPointer? in
      let byteCount = source.byteCount(worker: worker)
      return byteCount == 0 ? nil : try arenaOfWorker[worker].allocate(byteCount: byteCount).baseAddress
    }
    return PackedMatrix(
      format: source.format, rows: source.rows, columns: source.columns, rowFormat: source.rowFormat, bias: bias,
      bounds: source.bounds, shards: shards)
  }

  private func vector(_ source: VectorSource) throws -> AlignedBuffer<Float> {
    // Experts' biases are slices of one tensor: keep the last few expanded.
    let name = source.entry.name
    let all: [Float]
    if let cached = vectorCache[name] {
      all = cached
    } else {
      all = try checkpoint.float32s(source.entry, finite: !source.mayBeMinusInfinity, sums: sums)
      if let bad = all.firstIndex(where: { $0.isNaN || $0 == .infinity }) {
        throw checkpoint.notFinite(source.entry, element: bad)
      }
      if vectorCache.count > 4 { vectorCache.removeAll() }
      vectorCache[name] = all
    }
    return AlignedBuffer((0..<source.count).map { source.value($0, of: all) })
  }

  private func spareExperts(_ parameters: StoredParameters) throws -> [FeedForwardWeights] {
    guard extras.spareExperts > 0, let shape = try parameters.commonExpert() else { return [] }
    return try (0..<extras.spareExperts).map { _ in
      func room(_ part: CommonExpert.Part) throws -> PackedMatrix {
        try reserve(part.source, bias: part.hasBias ? AlignedBuffer(count: part.source.rows) : nil)
      }
      return FeedForwardWeights(gate: try room(shape.gate), up: try room(shape.up), down: try room(shape.down))
    }
  }

  private func fill(progress: (Int) -> Void) throws {
    vectorCache.removeAll()
    let failed = Atomic<Bool>(false)
    let failures = Mutex<[Int: any Error]>([:])
    let tasks = tasks
    let (checkpoint, sums, replicaSums) = (checkpoint, sums, extras.replicaSums ?? sums)
    let base = checkpoint.bytesRead
    let readAhead = ReadAhead(checkpoint: checkpoint, sources: tasks.map(\.source))
    pool.run { worker in
      var own = ShardReader(checkpoint: checkpoint, sums: sums)
      var replicas = ShardReader(checkpoint: checkpoint, sums: replicaSums)
      var used = 0
      var reported = 0
      for task in tasks {
        guard let shard = task.shards[worker], !failed.load(ordering: .relaxed) else { continue }
        readAhead.advance(used: used)
        used = task.source.storedRange.count / task.shards.count { $0 != nil }
        do {
          let panels = task.source.bounds[worker]..<task.source.bounds[worker + 1]
          if task.isReplica {
            try replicas.fill(task.source, panels: panels, into: shard)
          } else {
            try own.fill(task.source, panels: panels, into: shard)
          }
        } catch {
          failures.withLock { $0[worker] = error }
          failed.store(true, ordering: .relaxed)
        }
        if worker == 0 {
          let read = checkpoint.bytesRead - base
          if read - reported >= 16 << 20 {
            reported = read
            progress(read)
          }
        }
      }
    }
    if let first = failures.withLock({ $0.min { $0.key < $1.key } }) { throw first.value }
    progress(checkpoint.bytesRead - base)
  }
}
