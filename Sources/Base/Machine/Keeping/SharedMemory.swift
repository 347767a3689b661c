private import CHost
internal import Glibc

/// Memory that several processes may map, and that lives as long as one of them has it open: it has no name in any file
/// system, so that nothing is left when the last of them ends, and no limit of `/dev/shm`. Its size never changes.
package final class SharedMemory: Sendable {
  /// Where another process of this user finds it.
  package struct Reference: Sendable, Equatable {
    package var process: Int32
    package var descriptor: Int32
    package var device: UInt64
    package var inode: UInt64
    package var byteCount: Int

    package init(process: Int32, descriptor: Int32, device: UInt64, inode: UInt64, byteCount: Int) {
      (self.process, self.descriptor) = (process, descriptor)
      (self.device, self.inode, self.byteCount) = (device, inode, byteCount)
    }
  }

  package let byteCount: Int
  let descriptor: Int32

  /// Room for an arena of so many bytes; takes memory only as it is filled.
  package init(roomFor byteCount: Int) throws(MachineError) {
    guard byteCount >= 0, byteCount < 1 << 46 else { throw .invalidByteCount(byteCount) }
    self.byteCount = NodeArena.roundedByteCount(byteCount)
    descriptor = host_memory_create(self.byteCount)
    guard descriptor >= 0 else { throw .system("memfd_create of \(byteCount) bytes", -descriptor) }
  }

  /// Takes over a descriptor that another process has sent; throws, and closes it, where it is no such memory.
  package init(adopting descriptor: Int32) throws(MachineError) {
    let size = host_memory_size(descriptor)
    guard size > 0, size < 1 << 46 else {
      close(descriptor)
      throw .notSharedMemory
    }
    (self.descriptor, byteCount) = (descriptor, Int(size))
  }

  /// Opens another process's; throws where it is not there, not to be had, or something else.
  package convenience init(_ reference: Reference) throws(MachineError) {
    let file = open("/proc/\(reference.process)/fd/\(reference.descriptor)", O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard file >= 0 else { throw .system("opening memory of process \(reference.process)", errno) }
    try self.init(adopting: file)
    guard let own = self.reference, own.device == reference.device, own.inode == reference.inode,
      byteCount == reference.byteCount
    else { throw .notSharedMemory }
  }

  deinit { close(descriptor) }

  /// Nil where the kernel does not tell.
  package var reference: Reference? {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { return nil }
    return Reference(
      process: getpid(), descriptor: descriptor, device: UInt64(truncatingIfNeeded: status.st_dev),
      inode: UInt64(truncatingIfNeeded: status.st_ino), byteCount: byteCount)
  }

  /// Whoever maps it from now on can only read it; refused by kernels before 5.1, which changes nothing else.
  package func seal() { _ = host_memory_seal(descriptor) }
}

extension NodeArena {
  /// Has the kernel give huge pages for part `part` of `count` equal parts of memory that processes share and that is
  /// still empty: under most settings it gives such memory none by itself. Where it cannot (before 6.1), that costs
  /// speed only.
  package func takeHugePages(part: Int, of count: Int) {
    guard shared != nil else { return }
    let page = Self.roundedByteCount(0)
    let pages = Self.roundedByteCount(byteCount) / page
    let own = (pages * part / count)..<(pages * (part + 1) / count)
    // One small page of each says where it is to lie; none of the others is there, so that nothing is copied.
    for number in own { base.storeBytes(of: 0, toByteOffset: number * page, as: UInt8.self) }
    guard !own.isEmpty else { return }
    _ = host_memory_collapse(base + own.lowerBound * page, own.count * page)
  }
}
