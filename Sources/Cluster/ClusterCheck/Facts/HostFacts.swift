import Glibc
import JSON
import Machine

/// What one process finds on its host, by itself.
package struct HostFacts: Sendable, Equatable {
  package var host: String
  /// Of this program: its version, and what tells this build from others.
  package var version: String
  package var build: String
  package var program: String
  package var openMPI: String
  package var libc: String
  package var kernel: String
  package var cpu: String
  package var instructionSet: String
  /// Hardware threads this process may use, those of the host, and the cores' worth of time a control group grants.
  package var allowedCores: Int
  package var configuredCores: Int
  package var coreQuota: Double?
  package var totalBytes: Int
  package var availableBytes: Int
  /// Of /dev/shm: what is free, and its size; nil where there is none.
  package var sharedMemoryFree: Int?
  package var sharedMemorySize: Int?
  package var openFileLimit: Int
  package var interfaces: [NetworkInterface]
  /// The options that decide results, as this process got them.
  package var options: String
  package var model: ModelFacts

  /// Of this host. `topology` is what Machine knows of it.
  package init(
    topology: Topology, version: String, openMPI: String, instructionSet: String, options: String, model: ModelFacts
  ) throws(MachineError) {
    var names = utsname()
    uname(&names)
    func text<T>(_ field: T) -> String {
      withUnsafeBytes(of: field) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
    host = topology.hostname
    self.version = version
    build = try ProgramFile.build()
    program = ProgramFile.path ?? ""
    self.openMPI = openMPI
    libc = Self.libraryName()
    kernel = text(names.release)
    cpu = topology.cpuModel
    self.instructionSet = instructionSet
    allowedCores = topology.allowedCores.count
    configuredCores = topology.configuredCores
    coreQuota = topology.coreQuota
    totalBytes = topology.totalBytes
    availableBytes = topology.availableBytes
    var room = statvfs()
    if statvfs("/dev/shm", &room) == 0 {
      let block = Int(clamping: room.f_frsize)
      sharedMemoryFree = Int(clamping: room.f_bavail).multipliedReportingOverflow(by: block).partialValue
      sharedMemorySize = Int(clamping: room.f_blocks).multipliedReportingOverflow(by: block).partialValue
    }
    var limit = rlimit()
    openFileLimit =
      getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 ? Int(clamping: limit.rlim_max) : 0
    interfaces = NetworkInterface.all()
    self.options = options
    self.model = model
  }

  /// The C library as it names itself: "glibc 2.36".
  private static func libraryName() -> String {
    var name = [CChar](repeating: 0, count: 128)
    guard confstr(Int32(_CS_GNU_LIBC_VERSION), &name, name.count) > 0 else { return "an unknown C library" }
    return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}

extension HostFacts {
  package var json: JSONValue {
    [
      "host": .string(host), "version": .string(version), "build": .string(build), "program": .string(program),
      "open_mpi": .string(openMPI), "libc": .string(libc), "kernel": .string(kernel), "cpu": .string(cpu),
      "instruction_set": .string(instructionSet), "allowed_cores": .int(allowedCores),
      "configured_cores": .int(configuredCores),
      "core_quota": coreQuota.map { .double($0) } ?? .null, "total_bytes": .int(totalBytes),
      "available_bytes": .int(availableBytes),
      "shared_memory_free_bytes": sharedMemoryFree.map { .int($0) } ?? .null,
      "shared_memory_bytes": sharedMemorySize.map { .int($0) } ?? .null, "open_files": .int(openFileLimit),
      "interfaces": .array(interfaces.map(\.json)), "options": .string(options), "model": model.json,
    ]
  }

  package init(json: JSONValue) throws(MalformedFacts) {
    host = try json.text("host")
    version = try json.text("version")
    build = try json.text("build")
    program = try json.text("program")
    openMPI = try json.text("open_mpi")
    libc = try json.text("libc")
    kernel = try json.text("kernel")
    cpu = try json.text("cpu")
    instructionSet = try json.text("instruction_set")
    allowedCores = try json.count("allowed_cores")
    configuredCores = try json.count("configured_cores")
    coreQuota = json["core_quota"]?.double
    totalBytes = try json.count("total_bytes")
    availableBytes = try json.count("available_bytes")
    sharedMemoryFree = json["shared_memory_free_bytes"]?.exactInt
    sharedMemorySize = json["shared_memory_bytes"]?.exactInt
    openFileLimit = try json.count("open_files")
    interfaces = try json.list("interfaces") { value throws(MalformedFacts) in try NetworkInterface(json: value) }
    options = try json.text("options")
    guard let model = json["model"] else { throw MalformedFacts(reason: "no \"model\"") }
    self.model = try ModelFacts(json: model)
  }
}
