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
  private let memory: WeightMemory
  /// Where vectors lie that are kept with the panels, and how many values have been met.
  private var keptVectors: (values: UnsafeMutablePointer<Float>, count: Int)?
  private var vectorsMet = 0
  private var tasks: [Task] = []
  private var vectorCache: [String: [Float]] = [:]

  /// Loads all that this rank holds.
  ///
  /// `sums` gets the sums of what is read. `progress` is called from this thread now and then with the bytes read so
  /// far. `memory`: where panels are to lie, or do already; nil for memory of this rank's own. Throws on missing,
  /// ill-shaped or unreadable tensors; nothing is left half-loaded for the caller.
  package static func load(
    _ description: DecoderDescription, checkpoint: any Checkpoint, pool: WorkerPool, budget: WeightBudget,
    owns: (Int, Int) -> Bool, sums: ReadSums, extras: Extras = Extras(),
    memory: WeightMemory? = nil, progress: (Int) -> Void
  ) throws -> (weights: ModelWeights, arenas: [NodeArena]) {
    let memory = try memory ?? WeightMemory.plain(budget, pool: pool)
    let loader = WeightLoader(checkpoint: checkpoint, sums: sums, extras: extras, pool: pool, memory: memory)
    let parameters = StoredParameters(description, checkpoint: checkpoint, workerCount: pool.workerCount)
    if memory.holdsVectors { try loader.findVectors(budget) }
    var held = try loader.hold(parameters, owns: owns)
    var weights = try WeightAssembly(description: description, held: held).model()
    held.follow(weights, description)
    try loader.fill(progress: progress)
    try checkpoint.checkUnchanged()
    weights.arenas = memory.arenas
    weights.parameters = held
    weights.spareExperts = try loader.spareExperts(parameters)
    return (weights, memory.arenas)
  }

  private init(checkpoint: any Checkpoint, sums: ReadSums, extras: Extras, pool: WorkerPool, memory: WeightMemory) {
    self.checkpoint = checkpoint
    (self.sums, self.extras) = (sums, extras)
    (self.pool, self.memory) = (pool, memory)
  }

  /// Vectors lie before the panels of the first own arena.
  private func findVectors(_ budget: WeightBudget) throws {
    guard let arena = memory.own.arenas.first else { return }
    let bytes = try arena.allocate(byteCount: budget.vectorBytes)
    guard let base = bytes.baseAddress else { return }
    let count = budget.vectorBytes / MemoryLayout<Float>.size
    keptVectors = (base.bindMemory(to: Float.self, capacity: max(count, 1)), count)
  }

  /// Reserves memory for matrices and reads vectors: a matrix's bias, which comes after it, goes with its parts.
  private func hold(_ parameters: StoredParameters, owns: (Int, Int) -> Bool) throws -> HeldParameters {
    var held = HeldParameters(parameters.table)
    var last: (spec: ParameterSpec, parts: [MatrixSource])?
    func close(bias: AlignedBuffer<Float>? = nil) throws {
      guard let (spec, parts) = last else { return }
      let (id, place) = (spec.id, memory.pool(of: spec))
      let isReplica = id.layer.flatMap { layer in id.expert.map { extras.isReplica(layer, $0) } } ?? false
      held.add(id, try parts.map { try matrix($0, bias: bias, in: place, isReplica: isReplica) })
      last = nil
    }
    try parameters.walk(owns: owns) { spec, found in
      switch found {
      case .matrices(let sources):
        try close()
        last = (spec, sources)
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
    _ source: MatrixSource, bias: AlignedBuffer<Float>?, in place: WeightMemory.Pool, isReplica: Bool
  ) throws -> PackedMatrix {
    let matrix = try reserve(source, bias: bias, in: place)
    if !place.isFilled { tasks.append(Task(source: source, shards: matrix.shards, isReplica: isReplica)) }
    return matrix
  }

  /// Room for a matrix, and nothing in it that was not there.
  private func reserve(
    _ source: MatrixSource, bias: AlignedBuffer<Float>?, in place: WeightMemory.Pool
  ) throws -> PackedMatrix {
    var shards: [UnsafeMutableRawPointer?] = []
    if place.arenas.count == 1 {
      // In the order of rows, so that it does not matter how many workers share them.
      let counts = (0..<pool.workerCount).map { source.byteCount(worker: $0) }
      var next = try place.arenas[0].allocate(byteCount: counts.reduce(0, +)).baseAddress
      for count in counts {
        shards.append(count == 0 ? nil : next)
        next = next.map { $0 + count }
      }
    } else {
      shards = try (0..<pool.workerCount).map { worker in
        let byteCount = source.byteCount(worker: worker)
        return byteCount == 0
          ? nil : try place.arena(pool.node(ofWorker: worker))?.allocate(byteCount: byteCount).baseAddress
      }
    }
    return PackedMatrix(
      format: source.format, rows: source.rows, columns: source.columns, rowFormat: source.rowFormat, bias: bias,
      bounds: source.bounds, shards: shards)
  }

  private func vector(_ source: VectorSource) throws -> AlignedBuffer<Float> {
    guard let kept = keptVectors else { return try readVector(source) }
    let first = vectorsMet
    vectorsMet += source.count
    guard vectorsMet <= kept.count else { return try readVector(source) }
    if memory.own.isFilled {
      let vector = AlignedBuffer<Float>(count: source.count)
      vector.pointer.update(from: kept.values + first, count: source.count)
      return vector
    }
    let vector = try readVector(source)
    (kept.values + first).update(from: vector.pointer, count: source.count)
    return vector
  }

  private func readVector(_ source: VectorSource) throws -> AlignedBuffer<Float> {
    // Experts' biases are slices of one tensor: keep the last few expanded.
    let name = source.entry.name
    let all: [Float]
    if let cached = vectorCache[name] {
      all = cached
    } else {
      all = try source.values(in: checkpoint, sums: sums)
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
        try reserve(part.source, bias: part.hasBias ? AlignedBuffer(count: part.source.rows) : nil, in: memory.own)
      }
      return FeedForwardWeights(gate: try room(shape.gate), up: try room(shape.up), down: try room(shape.down))
    }
  }

  private func fill(progress: (Int) -> Void) throws {
    vectorCache.removeAll()
    let failed = Atomic<Bool>(false)
    let failures = Mutex<[Int: any Error]>([:])
    // As the files have them, whatever the order of need: a disk reads on, and does not go back and forth between the
    // stacks of a layer's experts.
    let tasks = tasks.sorted { $0.source.place < $1.source.place }
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
