import Foundation

/// Tries inputs of one target, in a process of its own, so that one that traps or hangs can be told of.
struct FuzzRun {
  let target: String
  var seed: UInt64 = 1
  /// nil for as many as the suite tries.
  var seconds: Double?
  /// Only this input.
  var number: UInt64?

  /// The most processor time an input may take, in seconds. The costliest template that its limits allow takes about
  /// one in a debug build.
  private static let limit = 30
  /// The most memory an input may take, in bytes, with those before it.
  private static let memoryLimit: UInt = 8 << 30

  /// What the process has already, in bytes: under a sanitizer terabytes, of which nearly all is never touched.
  private static var memoryAtFirst: UInt {
    let pages = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ").dropFirst(5)
      .first.flatMap { UInt($0) }
    return (pages ?? 0) * UInt(sysconf(Int32(_SC_PAGESIZE)))
  }

  /// Tells the process that `attempt` runs in what to run, and hears which input was the last.
  struct Note {
    let path: String

    /// Of the tests of `process`.
    init(of process: pid_t) {
      path = FileManager.default.temporaryDirectory.path + "/martinet-fuzz-\(process)"
    }

    func write(_ run: FuzzRun) throws {
      let words = [run.target, "\(run.seed)", run.seconds.map { "\($0)" } ?? "-", run.number.map { "\($0)" } ?? "-"]
      try Data(words.joined(separator: " ").utf8).write(to: URL(filePath: path))
    }

    func read() -> FuzzRun? {
      guard let data = FileManager.default.contents(atPath: path) else { return nil }
      let words = String(decoding: data, as: UTF8.self).split(separator: " ")
      guard words.count == 4, let seed = UInt64(words[1]) else { return nil }
      return FuzzRun(target: String(words[0]), seed: seed, seconds: Double(words[2]), number: UInt64(words[3]))
    }

    var lastInput: String { path + "-input" }
    /// What the process says at its end; an exit test shows no output of one that fails.
    private var wordsFile: String { path + "-words" }

    func remove() { for file in [path, lastInput, wordsFile] { unlink(file) } }
    func say(_ words: String) { try? Data((words + "\n").utf8).write(to: URL(filePath: wordsFile)) }
    var words: String {
      FileManager.default.contents(atPath: wordsFile).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    /// The number of the last input, and its bytes.
    var last: (number: UInt64, bytes: [UInt8])? {
      guard let data = FileManager.default.contents(atPath: lastInput), data.count >= 16 else { return nil }
      let (number, count) = data.withUnsafeBytes {
        ($0.loadUnaligned(as: UInt64.self), $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
      }
      return (number, Array(data.dropFirst(16).prefix(Int(clamping: count))))
    }
  }

  /// Runs what the parent process asks for; ends this process with 0 when all was well.
  static func attempt() -> Never {
    let note = Note(of: getppid())
    guard let run = note.read(), let target = FuzzTarget.all.first(where: { $0.name == run.target }) else {
      exit(2)
    }
    do { try run.attempt(target, note) } catch {
      note.say("\(error)")
      exit(1)
    }
    exit(0)
  }

  private func attempt(_ target: FuzzTarget, _ note: Note) throws {
    let mutator = try target.mutator()
    try hold(!mutator.seeds.isEmpty && !mutator.seeds.contains([]), "\(target.name) has no inputs to begin with")
    // What begins is valid, or all that follows tests nothing but the first lines of a reader.
    for seed in mutator.seeds { try target.read(seed) }
    let most = rlim_t(Self.memoryAtFirst + Self.memoryLimit)
    var memory = rlimit(rlim_cur: most, rlim_max: most)
    _ = withUnsafePointer(to: &memory) { setrlimit(__rlimit_resource_t(RLIMIT_DATA.rawValue), $0) }
    let file = open(note.lastInput, O_CREAT | O_RDWR | O_TRUNC, 0o600)
    let begin = ContinuousClock.now
    var next = number ?? 0
    while true {
      if let number {
        if next > number { break }
      } else if let seconds {
        if begin.duration(to: .now) > .seconds(seconds) { break }
      } else if next == target.inputCount {
        break
      }
      let input = mutator.input(seed: seed, number: next)
      var header = (next, UInt64(input.count))
      withUnsafeBytes(of: &header) { _ = pwrite(file, $0.baseAddress, 16, 0) }
      input.withUnsafeBytes { if let base = $0.baseAddress { _ = pwrite(file, base, $0.count, 16) } }
      // Processor time, so that a machine that does other things changes nothing.
      var timer = itimerval(it_interval: timeval(), it_value: timeval(tv_sec: Self.limit, tv_usec: 0))
      setitimer(__itimer_which_t(ITIMER_PROF.rawValue), &timer, nil)
      do { try target.read(input) } catch let broken as FuzzTarget.Broken { throw broken } catch {
        try hold("\(error)".count > 5, "an error without words: \(type(of: error))")
        try hold(
          "\(error)".utf8.count < 20_000, "an error of \("\(error)".utf8.count) bytes: \("\(error)".prefix(300))")
      }
      next += 1
    }
    note.say("\(target.name): \(next) inputs of seed \(seed)")
  }
}
