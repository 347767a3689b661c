/// One memory controller's worth of this host: its memory, and the cores near to it that this process may use.
package struct NUMANode: Sendable, Equatable {
  /// The kernel's number for it; numbers need not be consecutive.
  package let id: Int
  /// Hardware threads this process may run on, ascending; empty for a node of memory only.
  package let cores: [Int]
  package let totalBytes: Int
  package let freeBytes: Int
  /// Free bytes and those the kernel gives back on demand: cached file pages.
  package let availableBytes: Int

  /// The node whose memory is nearest to its cores: its own number, where it has memory.
  package let memoryNode: Int

  package init(
    id: Int, cores: [Int], totalBytes: Int = 0, freeBytes: Int = 0, availableBytes: Int? = nil, memoryNode: Int? = nil
  ) {
    self.id = id
    self.memoryNode = memoryNode ?? id
    (self.cores, self.totalBytes, self.freeBytes) = (cores, totalBytes, freeBytes)
    self.availableBytes = availableBytes ?? freeBytes
  }

  /// The node whose memory is near to a core: of one that no node lists, that of the first.
  package static func memory(near core: Int, of nodes: [NUMANode]) -> Int {
    (nodes.first { $0.cores.contains(core) } ?? nodes.first)?.memoryNode ?? 0
  }
}
