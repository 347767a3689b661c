import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Machine

/// Memory that outlives its users at a keeper, and who may have it.
struct KeeperTests {
  private let temporary = TemporaryFolder()
  private var folder: KeeperFolder { KeeperFolder(temporary.file("keeper")) }

  /// A keeper on a thread of its own; the semaphore tells of its end, when it does not listen any more. Without a user
  /// it ends after `seconds`, or when its socket is removed.
  private func start(_ folder: KeeperFolder, seconds: Double = 1200) throws -> DispatchSemaphore {
    let (ready, ended) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
    let thread = Thread {
      Self.keep(folder, .seconds(seconds), ready)
      ended.signal()
    }
    thread.start()
    ready.wait()
    return ended
  }

  /// Returns after its keeper has gone, with its socket.
  private static func keep(_ folder: KeeperFolder, _ patience: Duration, _ ready: DispatchSemaphore) {
    let keeper = try? MemoryKeeper(folder, patience: patience)
    ready.signal()
    keeper?.run()
  }

  private func memory(_ value: UInt8) throws -> SharedMemory {
    let memory = try SharedMemory(roomFor: 10_000)
    let arena = try NodeArena(node: 0, byteCount: 10_000, in: memory, isWritable: true)
    try arena.allocate(byteCount: 10_000).initializeMemory(as: UInt8.self, repeating: value)
    return memory
  }

  private func first(_ memory: SharedMemory) throws -> UInt8 {
    let arena = try NodeArena(node: 0, byteCount: 10_000, in: memory, isWritable: false)
    return try #require(try arena.allocate(byteCount: 10_000).last)
  }

  @Test func anotherProcessMapsTheSameBytesAndCannotChangeTheirNumber() throws {
    let memory = try memory(7)
    let reference = try #require(memory.reference)
    let other = try SharedMemory(reference)
    #expect(try first(other) == 7)
    #expect(ftruncate(memory.descriptor, 4096) != 0 && ftruncate(memory.descriptor, 1 << 24) != 0)
    memory.seal()
    #expect(mmap(nil, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, memory.descriptor, 0) == MAP_FAILED)
    // A number that has come to be another file's meanwhile.
    var wrong = reference
    wrong.inode += 1
    #expect(throws: MachineError.notSharedMemory) { try SharedMemory(wrong) }
    wrong = reference
    wrong.byteCount *= 2
    #expect(throws: MachineError.notSharedMemory) { try SharedMemory(wrong) }
    #expect(throws: MachineError.invalidByteCount(3 << 20)) {
      try NodeArena(node: 0, byteCount: 3 << 20, in: memory, isWritable: false)
    }
    let file = open(temporary.write([1, 2, 3], as: "file"), O_RDWR)
    #expect(throws: MachineError.notSharedMemory) { try SharedMemory(adopting: file) }
  }

  @Test(.timeLimit(.minutes(20))) func itKeepsWhatItsUsersLeave() throws {
    let ended = try start(folder)
    var maker: KeeperClient? = try KeeperClient(folder)
    #expect(try maker?.find("a") == nil)
    #expect(try maker?.hold("a", [try memory(1), try memory(2)], note: [9, 8], seconds: 3600) == true)
    #expect(try maker?.hold("b", [try memory(3)], note: [], seconds: 3600) == true)
    #expect(try maker?.hold("none", [], note: [], seconds: 1) == false)
    maker = nil
    let user = try KeeperClient(folder)
    let found = try #require(try user.find("a"))
    #expect(try found.memory.map(first) == [1, 2] && found.note == [9, 8])
    let list = try user.list()
    #expect(list.map(\.name) == ["a", "b"] && list.map(\.byteCount) == [4 << 20, 2 << 20])
    #expect(list[0].users == 1 && list[0].secondsLeft == nil && (list[1].secondsLeft ?? 0) > 3000)
    // What is used stays, unless all is to go.
    #expect(try user.release(all: false) == 2 << 20)
    #expect(try user.find("b") == nil && user.find("a") != nil)
    #expect(try user.release(all: true) == 4 << 20)
    #expect(try user.list().isEmpty && first(found.memory[1]) == 2)
    #expect(ended.wait(timeout: .now() + 0.5) == .timedOut, "it has a user")
    withExtendedLifetime(user) {}
  }

  @Test(.timeLimit(.minutes(20))) func itEndsByItselfWhenTimeIsUp() throws {
    // It has to be found before its time is up.
    let fault = faultWithPatience([1, 10, 60]) { seconds in
      let ended = try start(folder, seconds: seconds)
      var user: KeeperClient? = try KeeperClient(folder)
      guard try user?.hold("a", [try memory(1)], note: [], seconds: 1) == true else { return "not held" }
      usleep(1_500_000)
      guard try user?.list().map(\.name) == ["a"] else { return "a user holds it longer" }
      user = nil
      return ended.wait(timeout: .now() + 600) == .success ? nil : "it does not end"
    }
    #expect(fault == nil)
    #expect(throws: MachineError.self) { try KeeperClient(folder) }
    #expect(try KeeperClient.existing(folder) == nil)
  }

  @Test(.timeLimit(.minutes(20))) func aFolderOfOthersIsRefused() throws {
    #expect(throws: MachineError.self) { try KeeperClient(folder) }
    #expect(mkdir(folder.path, 0o700) == 0)
    chmod(folder.path, 0o777)
    #expect(throws: MachineError.self) { try MemoryKeeper(folder) }
    #expect(throws: MachineError.self) { try KeeperClient(folder) }
    chmod(folder.path, 0o700)
    let link = KeeperFolder(temporary.file("link"))
    #expect(symlink(folder.path, link.path) == 0)
    #expect(throws: MachineError.self) { try MemoryKeeper(link) }
    if geteuid() == 0 {
      #expect(chown(folder.path, 1, 1) == 0)
      #expect(throws: MachineError.self) { try MemoryKeeper(folder) }
      #expect(throws: MachineError.self) { try KeeperClient(folder) }
      chown(folder.path, 0, 0)
    }
    let ended = try start(folder)
    #expect(try MemoryKeeper(folder) == nil, "one is enough")
    var status = stat()
    #expect(stat(folder.socket, &status) == 0 && status.st_mode & 0o777 == 0o600)
    // Nobody can come any more.
    unlink(folder.socket)
    #expect(ended.wait(timeout: .now() + 600) == .success)
  }

  @Test func messagesAreReadAsTheyWereWrittenAndNothingElseIs() throws {
    let requests: [KeeperRequest] = [
      .find("x"), .hold("y", note: [1, 2, 3], seconds: 60), .drop(""), .release(all: true), .list,
    ]
    for request in requests {
      let bytes = request.bytes
      #expect(KeeperRequest(bytes) == request)
      #expect((0..<bytes.count).allSatisfy { KeeperRequest(Array(bytes.prefix($0))) == nil })
      #expect(KeeperRequest(bytes + [0]) == nil)
    }
    #expect(KeeperRequest(KeeperRequest.hold("y", note: [], seconds: -1).bytes) == nil)
    var reply = KeeperReply()
    (reply.isGood, reply.byteCount, reply.note) = (true, 5, [4, 4])
    reply.entries = [KeptEntry(name: "n", byteCount: 3, users: 2, secondsLeft: nil)]
    #expect(KeeperReply(reply.bytes) == reply)
    #expect((0..<reply.bytes.count).allSatisfy { KeeperReply(Array(reply.bytes.prefix($0))) == nil })
  }
}
