internal import CMPIShims

/// The MPI requests under way, in slots that are used again: no message allocates once the table is large enough.
final class RequestTable {
  /// What is known of one slot beside its MPI request.
  struct Entry {
    var generation: UInt32 = 0
    var isUsed = false
    var isDone = false
    var isReceive = false
    /// An MPI error code; 0 is success.
    var code: Int32 = 0
    /// Capacity of a receive or length of a send while under way, the true count afterwards.
    var byteCount = 0
    var peer = Rank(0)
    var tag = MessageTag(0)
  }

  private(set) var capacity = 0
  private(set) var usedCount = 0
  private(set) var entries: UnsafeMutablePointer<Entry>
  private(set) var requests: UnsafeMutablePointer<MPI_Request?>
  /// Room for what MPI_Testsome reports.
  private(set) var indices: UnsafeMutablePointer<Int32>
  private(set) var statuses: UnsafeMutablePointer<MPI_Status>
  private var free: [Int32] = []
  /// Slots from here on have never been used: polling need not look there.
  private(set) var highWater = 0

  init() {
    entries = .allocate(capacity: 0)
    requests = .allocate(capacity: 0)
    indices = .allocate(capacity: 0)
    statuses = .allocate(capacity: 0)
    grow(to: 64)
  }

  deinit {
    entries.deallocate()
    requests.deallocate()
    indices.deallocate()
    statuses.deallocate()
  }

  /// Takes a slot; its request is the null request.
  func take(isReceive: Bool, byteCount: Int, peer: Rank, tag: MessageTag) -> PendingRequest {
    if free.isEmpty { grow(to: capacity * 2) }
    let slot = free.removeLast()
    let index = Int(slot)
    let generation = entries[index].generation
    entries[index] = Entry(
      generation: generation, isUsed: true, isReceive: isReceive, byteCount: byteCount, peer: peer, tag: tag)
    usedCount += 1
    highWater = max(highWater, index + 1)
    return PendingRequest(slot: slot, generation: generation)
  }

  func index(of request: PendingRequest) throws(FabricError) -> Int {
    let index = Int(request.slot)
    guard index >= 0, index < capacity, entries[index].isUsed, entries[index].generation == request.generation else {
      throw .unknownRequest
    }
    return index
  }

  func release(_ index: Int) {
    entries[index].isUsed = false
    entries[index].generation &+= 1
    requests[index] = cmpi_request_null()
    usedCount -= 1
    free.append(Int32(index))
  }

  /// Notes that MPI has finished the slot's request.
  func complete(_ index: Int, code: Int32, status: inout MPI_Status) {
    entries[index].isDone = true
    entries[index].code = code
    guard code == MPI_SUCCESS, entries[index].isReceive else { return }
    var count: Int32 = 0
    entries[index].code = MPI_Get_count(&status, cmpi_byte(), &count)
    entries[index].byteCount = Int(count)
  }

  private func grow(to newCapacity: Int) {
    entries = moved(entries, to: newCapacity, filledWith: Entry())
    requests = moved(requests, to: newCapacity, filledWith: cmpi_request_null())
    indices = moved(indices, to: newCapacity, filledWith: 0)
    statuses = moved(statuses, to: newCapacity, filledWith: MPI_Status())
    free.reserveCapacity(newCapacity)
    // The lowest slots are taken first, so that the high-water mark stays low.
    free.append(contentsOf: (capacity..<newCapacity).reversed().map { Int32($0) })
    capacity = newCapacity
  }

  private func moved<T>(
    _ old: UnsafeMutablePointer<T>, to newCapacity: Int, filledWith value: T
  ) -> UnsafeMutablePointer<T> {
    let new = UnsafeMutablePointer<T>.allocate(capacity: newCapacity)
    new.moveInitialize(from: old, count: capacity)
    (new + capacity).initialize(repeating: value, count: newCapacity - capacity)
    old.deallocate()
    return new
  }
}
