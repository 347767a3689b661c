private import CNUMA
private import Glibc
private import Synchronization

/// Memory near one NUMA node, handed out in slices and given back all at once by `deinit`.
package final class NodeArena: Sendable {
  /// How strictly the kernel was asked to place the pages.
  package enum Policy: Sendable, Equatable {
    /// Only on the node: cached file pages there make way.
    case bound
    /// On the node while it has room.
    case preferred
    /// Wherever the kernel likes, for the reason given.
    case unplaced(reason: String)
  }

  /// Every slice starts on a cache line.
  package static let alignment = 64
  private static let hugePageByteCount = 2 << 20

  package let node: Int
  package let byteCount: Int
  package let policy: Policy
  private nonisolated(unsafe) let memory: UnsafeMutableRawPointer
  private nonisolated(unsafe) let mapping: UnsafeMutableRawPointer
  private let mappingByteCount: Int
  /// Where its bytes are when other processes may have them too.
  package let shared: SharedMemory?
  private let used = Mutex(0)
  /// Bytes bound to each node by arenas of this process, which may not have touched them yet.
  private static let promised = Mutex<[Int: Int]>([:])

  package var base: UnsafeMutableRawPointer { memory }
  package var usedByteCount: Int { used.withLock { $0 } }

  /// Reserves `byteCount` bytes, asks for huge pages, and for the node before a page is touched.
  ///
  /// A kernel that refuses placement leaves the arena usable and says so in `policy`. `processes`: how many, this one
  /// among them, are about to take as much of the node. Throws when there is no memory.
  package convenience init(node: Int, byteCount: Int, processes: Int = 1) throws(MachineError) {
    try self.init(node: node, byteCount: byteCount, shared: nil, isWritable: true, processes: processes)
  }

  /// The same over memory that processes share. Where it is not to be written to, it holds what others have put there,
  /// at places of theirs, and lies where they have placed it. `byteCount` fills `shared` when rounded up to whole huge
  /// pages; `node` and `processes` as above.
  package convenience init(
    node: Int, byteCount: Int, in shared: SharedMemory, isWritable: Bool, processes: Int = 1
  ) throws(MachineError) {
    guard byteCount >= 0, byteCount <= shared.byteCount, Self.roundedByteCount(byteCount) == shared.byteCount else {
      throw .invalidByteCount(byteCount)
    }
    try self.init(node: node, byteCount: byteCount, shared: shared, isWritable: isWritable, processes: processes)
  }

  /// What an arena of so many bytes takes: whole huge pages.
  package static func roundedByteCount(_ byteCount: Int) -> Int {
    max(hugePageByteCount, (byteCount + hugePageByteCount - 1) / hugePageByteCount * hugePageByteCount)
  }

  private init(
    node: Int, byteCount: Int, shared: SharedMemory?, isWritable: Bool, processes: Int
  ) throws(MachineError) {
    let page = Self.hugePageByteCount
    guard byteCount >= 0, byteCount < 1 << 46 else { throw .invalidByteCount(byteCount) }
    let rounded = Self.roundedByteCount(byteCount)
    // One huge page more to align the start, and inaccessible space at the end: no other mapping merges with this one,
    // and a write past it is caught.
    let mappingByteCount = rounded + 2 * page
    guard
      let mapping = mmap(nil, mappingByteCount, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0),
      mapping != MAP_FAILED
    else { throw .system("mmap of \(byteCount) bytes", errno) }
    let aligned = mapping.alignedUp(toMultipleOf: page)
    let access = isWritable ? PROT_READ | PROT_WRITE : PROT_READ
    let isThere =
      if let shared {
        mmap(aligned, rounded, access, MAP_SHARED | MAP_FIXED, shared.descriptor, 0) != MAP_FAILED
      } else {
        mprotect(aligned, rounded, access) == 0
      }
    guard isThere else {
      let error = errno
      munmap(mapping, mappingByteCount)
      throw .system("mapping \(byteCount) bytes", error)
    }
    // Refused where huge pages are off, which costs speed only; `verify` shows it.
    _ = madvise(aligned, rounded, MADV_HUGEPAGE)
    (self.node, self.byteCount, self.mapping, self.mappingByteCount) = (node, byteCount, mapping, mappingByteCount)
    memory = aligned
    self.shared = shared
    policy =
      isWritable
      ? Self.place(aligned, rounded, on: node, processes: processes) : .unplaced(reason: "others have placed it")
  }

  deinit {
    munmap(mapping, mappingByteCount)
    guard policy == .bound else { return }
    let freed = mappingByteCount - 2 * Self.hugePageByteCount
    Self.promised.withLock { $0[node, default: 0] -= freed }
  }

  /// A slice of zeros, aligned to 64 bytes and valid while the arena lives; may be called from any thread.
  package func allocate(byteCount: Int) throws(MachineError) -> UnsafeMutableRawBufferPointer {
    guard byteCount >= 0, byteCount < 1 << 46 else { throw .invalidByteCount(byteCount) }
    let mask = Self.alignment - 1
    let total = self.byteCount
    let start = used.withLock { used -> Int? in
      let start = (used + mask) & ~mask
      guard start <= total, byteCount <= total - start else { return nil }
      used = start + byteCount
      return start
    }
    guard let start else { throw .arenaFull(node: node, requested: byteCount, used: usedByteCount, byteCount: total) }
    return UnsafeMutableRawBufferPointer(start: memory + start, count: byteCount)
  }

  /// Binds where the node has room for all of it, beside what is promised to others; binding beyond that would end in
  /// the kernel's out-of-memory killer, however much other nodes have free.
  private static func place(
    _ start: UnsafeMutableRawPointer, _ byteCount: Int, on node: Int, processes: Int
  ) -> Policy {
    guard (0..<1024).contains(node) else { return .unplaced(reason: "NUMA node \(node) is out of range") }
    var mask = [UInt](repeating: 0, count: 1024 / UInt.bitWidth)
    mask[node / UInt.bitWidth] = 1 << UInt(node % UInt.bitWidth)
    // The kernel looks at one bit less than it is told.
    let bitCount = UInt(1024 + 1)
    let memory = HostFiles(root: "").memoryTable("/sys/devices/system/node/node\(node)/meminfo")
    let cached = (memory["Active(file)"] ?? 0) + (memory["Inactive(file)"] ?? 0)
    let (wanted, overflow) = byteCount.multipliedReportingOverflow(by: max(1, processes))
    let isBound = promised.withLock { promised -> Bool in
      // What others have touched already counts twice, which errs on the side of not binding.
      let rest = (memory["MemFree"] ?? 0) + cached - promised[node, default: 0]
      guard !overflow, rest > wanted, mbind(start, UInt(byteCount), MPOL_BIND, mask, bitCount, 0) == 0 else {
        return false
      }
      promised[node, default: 0] += byteCount
      return true
    }
    if isBound { return .bound }
    if mbind(start, UInt(byteCount), MPOL_PREFERRED, mask, bitCount, 0) == 0 { return .preferred }
    return .unplaced(reason: "mbind: " + String(cString: strerror(errno)))
  }
}
