private import CHost
internal import Glibc

/// The process that keeps memory for others of its user on one host, whoever of them lives: it holds descriptors, and
/// maps nothing. When it ends, however it ends, the kernel takes the memory back.
package final class MemoryKeeper {
  private struct Entry {
    var memory: [SharedMemory]
    var note: [UInt8]
    var seconds: Int
    /// Since when nobody uses it.
    var idleSince = ContinuousClock.now
    var byteCount: Int { memory.reduce(0) { $0 + $1.byteCount } }
  }
  private struct Client {
    var names: Set<String> = []
  }

  /// How long it waits for a user when it keeps nothing.
  private let patience: Duration
  private let folder: KeeperFolder
  private let lock: Int32
  private let listener: Int32
  private var entries: [String: Entry] = [:]
  private var clients: [Int32: Client] = [:]
  private var emptySince = ContinuousClock.now

  /// Nil where another process keeps in this folder.
  package init?(_ folder: KeeperFolder, patience: Duration = .seconds(10)) throws(MachineError) {
    try folder.make()
    (self.folder, self.patience) = (folder, patience)
    lock = open(folder.lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard lock >= 0 else { throw .keeper("\(folder.lock): \(String(cString: strerror(errno)))") }
    guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
      close(lock)
      return nil
    }
    listener = host_socket_listen(folder.socket)
    guard listener >= 0 else {
      close(lock)
      throw .keeper("\(folder.socket): \(String(cString: strerror(-listener)))")
    }
  }

  deinit {
    unlink(folder.socket)
    for client in clients.keys { close(client) }
    close(listener)
    close(lock)
  }

  /// Keeps until nobody wants anything kept any more.
  package func run() {
    while !entries.isEmpty || !clients.isEmpty || ContinuousClock.now - emptySince < patience {
      serve(milliseconds: 200)
      // Nobody can come any more.
      if clients.isEmpty, access(folder.socket, F_OK) != 0 { break }
    }
  }

  /// Answers what comes within this time, and lets go of what nobody has used for long enough.
  func serve(milliseconds: Int32) {
    var polled = [pollfd(fd: listener, events: Int16(POLLIN), revents: 0)]
    polled += clients.keys.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    if poll(&polled, nfds_t(polled.count), milliseconds) > 0 {
      for client in polled.dropFirst() where client.revents != 0 { answer(client.fd) }
      if polled[0].revents != 0 {
        let client = host_socket_accept(listener)
        if client >= 0 { clients[client] = Client() }
      }
    }
    let now = ContinuousClock.now
    let used = clients.values.reduce(into: Set<String>()) { $0.formUnion($1.names) }
    for name in entries.keys where used.contains(name) { entries[name]?.idleSince = now }
    entries = entries.filter { used.contains($0.key) || now - $0.value.idleSince < .seconds($0.value.seconds) }
    if !entries.isEmpty || !clients.isEmpty { emptySince = now }
  }

  private func answer(_ client: Int32) {
    var bytes = [UInt8](repeating: 0, count: KeeperLimits.messageBytes)
    var descriptors = [Int32](repeating: -1, count: KeeperLimits.segments)
    var count = 0
    let length = host_socket_receive(client, &bytes, bytes.count, &descriptors, descriptors.count, &count)
    // Each is taken over or closed, whatever was asked.
    let memory = descriptors.prefix(count).map { descriptor in try? SharedMemory(adopting: descriptor) }
    guard length > 0, let request = KeeperRequest(Array(bytes.prefix(length))) else {
      // Nobody of ours sends anything else.
      close(client)
      clients[client] = nil
      return
    }
    var (reply, sent) = (KeeperReply(), [SharedMemory]())
    switch request {
    case .find(let name):
      guard let entry = entries[name] else { break }
      clients[client]?.names.insert(name)
      (reply.isGood, reply.note, sent) = (true, entry.note, entry.memory)
    case .hold(let name, let note, let seconds):
      guard name.utf8.count <= KeeperLimits.nameBytes, note.count <= KeeperLimits.noteBytes, !memory.isEmpty,
        !memory.contains(where: { $0 == nil }), entries[name] != nil || entries.count < KeeperLimits.entries
      else { break }
      entries[name] = Entry(memory: memory.compactMap { $0 }, note: note, seconds: seconds)
      clients[client]?.names.insert(name)
      reply.isGood = true
    case .drop(let name):
      reply.byteCount = entries.removeValue(forKey: name)?.byteCount ?? 0
      clients[client]?.names.remove(name)
      reply.isGood = true
    case .release(let all):
      let used = clients.values.reduce(into: Set<String>()) { $0.formUnion($1.names) }
      for (name, entry) in entries where all || !used.contains(name) {
        reply.byteCount += entry.byteCount
        entries[name] = nil
      }
      reply.isGood = true
    case .list:
      (reply.entries, reply.isGood) = (list(), true)
    }
    let answer = reply.bytes
    let files = sent.map(\.descriptor)
    if host_socket_send(client, answer, answer.count, files, files.count) != 0 {
      close(client)
      clients[client] = nil
    }
  }

  /// In the order of names; as many as an answer has room for.
  private func list() -> [KeptEntry] {
    var (list, bytes) = ([KeptEntry](), 0)
    for (name, entry) in entries.sorted(by: { $0.key < $1.key }) {
      bytes += name.utf8.count + 32
      guard bytes < KeeperLimits.messageBytes - 64 else { break }
      var kept = KeptEntry(name: name, byteCount: entry.byteCount)
      kept.users = clients.values.count { $0.names.contains(name) }
      let left = .seconds(entry.seconds) - (ContinuousClock.now - entry.idleSince)
      kept.secondsLeft = kept.users > 0 ? nil : max(0, Int(left.components.seconds))
      list.append(kept)
    }
    return list
  }
}
