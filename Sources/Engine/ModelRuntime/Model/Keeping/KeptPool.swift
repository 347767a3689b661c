import Checkpoints
import Machine
import Synchronization

/// One pool of memory under a name at the keeper: taken from there, or handed over once it is filled.
struct KeptPool {
  /// More of a thousand pages than lay elsewhere when they were filled.
  private static let movedLimit = 100
  private static let pieceBytes = 4 << 20

  let client: KeeperClient
  let name: String
  /// What they must be; sums and places apart.
  let wanted: KeptManifest

  /// The arenas that are kept, every byte checked; nil where there are none, with the reason where there are others,
  /// which are let go of.
  func take(_ pool: WorkerPool) -> (arenas: [NodeArena]?, reason: String?) {
    do throws(MachineError) {
      guard let found = try client.find(name) else { return (nil, nil) }
      let (arenas, reason) = try open(found.memory, found.note, pool)
      guard let arenas else {
        try client.drop(name)
        return (nil, reason)
      }
      return (arenas, nil)
    } catch { return (nil, "\(error)") }
  }

  private func open(
    _ memory: [SharedMemory], _ note: [UInt8], _ pool: WorkerPool
  ) throws(MachineError) -> ([NodeArena]?, String?) {
    guard let manifest = KeptManifest(note) else { return (nil, "their manifest cannot be read") }
    if let difference = manifest.difference(from: wanted) { return (nil, difference) }
    guard memory.count == manifest.segments.count,
      zip(memory, manifest.segments).allSatisfy({ $0.byteCount == NodeArena.roundedByteCount($1.byteCount) })
    else { return (nil, "their memory has other sizes") }
    var arenas: [NodeArena] = []
    for (memory, segment) in zip(memory, manifest.segments) {
      arenas.append(try NodeArena(node: segment.node, byteCount: segment.byteCount, in: memory, isWritable: false))
    }
    guard Self.sums(arenas, pool) == manifest.segments.map(\.sum) else {
      return (nil, "their bytes have changed since they were packed")
    }
    for (arena, segment) in zip(arenas, manifest.segments)
    where Self.elsewhere(arena) > segment.elsewhere + Self.movedLimit {
      return (nil, "their pages lie on other NUMA nodes than the threads")
    }
    return (arenas, nil)
  }

  /// Hands filled arenas over; the reason where they are not taken.
  func hold(_ arenas: [NodeArena], _ pool: WorkerPool, seconds: Int) -> String? {
    let memory = arenas.compactMap(\.shared)
    guard memory.count == arenas.count else { return "they lie in memory of one process" }
    var manifest = wanted
    for (i, sum) in Self.sums(arenas, pool).enumerated() {
      manifest.segments[i].sum = sum
      manifest.segments[i].elsewhere = Self.elsewhere(arenas[i])
    }
    for memory in memory { memory.seal() }
    do throws(MachineError) {
      return try client.hold(name, memory, note: manifest.bytes, seconds: seconds)
        ? nil : "the keeper has no room for more"
    } catch { return "\(error)" }
  }

  /// Of a thousand pages, those on another node than the arena's.
  private static func elsewhere(_ arena: NodeArena) -> Int {
    let check = arena.verify(all: true, countsHugePages: false)
    return check.elsewhere * 1000 / max(1, check.onNode + check.elsewhere)
  }

  /// Each arena's sum, by all workers together.
  private static func sums(_ arenas: [NodeArena], _ pool: WorkerPool) -> [UInt64] {
    let pieces = arenas.enumerated().flatMap { number, arena in
      stride(from: 0, to: arena.byteCount, by: pieceBytes).map {
        (arena: number, range: $0..<min($0 + pieceBytes, arena.byteCount))
      }
    }
    let next = Atomic<Int>(0)
    let found = Mutex([UInt64](repeating: 0, count: arenas.count))
    pool.run { _ in
      while true {
        let number = next.wrappingAdd(1, ordering: .relaxed).oldValue
        guard number < pieces.count else { return }
        let piece = pieces[number]
        let bytes = UnsafeRawBufferPointer(
          start: arenas[piece.arena].base + piece.range.lowerBound, count: piece.range.count)
        let sum = TensorSum(bytes, at: piece.range.lowerBound).value
        found.withLock { $0[piece.arena] &+= sum }
      }
    }
    return found.withLock { $0 }
  }
}
