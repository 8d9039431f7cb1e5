package doctor

import "golang.org/x/sys/windows"

// freeSpace returns how many bytes may still be written below path.
func freeSpace(path string) (uint64, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return 0, err
	}
	var free uint64
	err = windows.GetDiskFreeSpaceEx(name, &free, nil, nil)
	return free, err
}

// writable is not examined on Windows, whose folders Docker mounts through a
// virtual machine.
func writable(string) bool { return true }
