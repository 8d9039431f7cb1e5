-- Test fixture: the 18 tables of the WitchCityRope database that wcr-schema.sql
-- leaves out, so that both together have the 42 that the application has (41 +
-- __EFMigrationsHistory). Load it after that file's baseline, as the MIGRATOR login.
--
-- Only the tables' names are on record here, which of them are created without a
-- schema, and the totals of foreign keys, jsonb columns and indexes. Columns, keys and
-- checks are what such tables have in EF Core's style: they are made up for tests,
-- not the application's own.

create table public."EventAttendees" (
  "Id"                    uuid not null,
  "EventId"               uuid not null,
  "UserId"                uuid not null,
  "SessionId"             uuid,
  "RegistrationStatus"    integer not null,
  "TicketNumber"          varchar(50),
  "WaitlistPosition"      integer,
  "IsFirstTime"           boolean not null,
  "DietaryRestrictions"   text,
  "AccessibilityNeeds"    text,
  "EmergencyContactName"  varchar(200),
  "EmergencyContactPhone" varchar(50),
  "HasCompletedWaiver"    boolean not null,
  "Metadata"              jsonb not null default '{}',
  "CreatedAt"             timestamptz not null,
  "UpdatedAt"             timestamptz not null,
  "CreatedBy"             uuid,
  "UpdatedBy"             uuid,
  constraint "PK_EventAttendees" primary key ("Id"),
  constraint "CHK_EventAttendees_RegistrationStatus" check ("RegistrationStatus" between 1 and 5),
  constraint "CHK_EventAttendees_WaitlistPosition" check ("WaitlistPosition" is null or "WaitlistPosition" > 0),
  constraint "FK_EventAttendees_Events_EventId" foreign key ("EventId") references public."Events"("Id") on delete cascade,
  constraint "FK_EventAttendees_Users_UserId" foreign key ("UserId") references public."Users"("Id") on delete cascade,
  constraint "FK_EventAttendees_Sessions_SessionId" foreign key ("SessionId") references public."Sessions"("Id") on delete set null,
  constraint "FK_EventAttendees_Users_CreatedBy" foreign key ("CreatedBy") references public."Users"("Id") on delete set null,
  constraint "FK_EventAttendees_Users_UpdatedBy" foreign key ("UpdatedBy") references public."Users"("Id") on delete set null
);
create index "IX_EventAttendees_Metadata_Gin" on public."EventAttendees" using gin ("Metadata");
create unique index "IX_EventAttendees_EventId_UserId" on public."EventAttendees" ("EventId", "UserId");
create index "IX_EventAttendees_UserId" on public."EventAttendees" ("UserId");
create index "IX_EventAttendees_SessionId" on public."EventAttendees" ("SessionId");
create index "IX_EventAttendees_EventId_RegistrationStatus" on public."EventAttendees" ("EventId", "RegistrationStatus");
create index "IX_EventAttendees_EventId_WaitlistPosition" on public."EventAttendees" ("EventId", "WaitlistPosition") where "WaitlistPosition" is not null;
create index "IX_EventAttendees_IsFirstTime" on public."EventAttendees" ("IsFirstTime") where "IsFirstTime" = true;
create index "IX_EventAttendees_CreatedBy" on public."EventAttendees" ("CreatedBy");
create index "IX_EventAttendees_UpdatedBy" on public."EventAttendees" ("UpdatedBy");

create table public."CheckIns" (
  "Id"               uuid not null,
  "EventAttendeeId"  uuid not null,
  "EventId"          uuid not null,
  "StaffMemberId"    uuid not null,
  "CheckInTime"      timestamptz not null,
  "Notes"            text,
  "OverrideCapacity" boolean not null default false,
  "IsManualEntry"    boolean not null,
  "ManualEntryData"  jsonb,
  "CreatedAt"        timestamptz not null,
  "CreatedBy"        uuid not null,
  constraint "PK_CheckIns" primary key ("Id"),
  constraint "FK_CheckIns_EventAttendees_EventAttendeeId" foreign key ("EventAttendeeId") references public."EventAttendees"("Id") on delete cascade,
  constraint "FK_CheckIns_Events_EventId" foreign key ("EventId") references public."Events"("Id") on delete cascade,
  constraint "FK_CheckIns_Users_StaffMemberId" foreign key ("StaffMemberId") references public."Users"("Id") on delete restrict,
  constraint "FK_CheckIns_Users_CreatedBy" foreign key ("CreatedBy") references public."Users"("Id") on delete restrict
);
create index "IX_CheckIns_ManualEntryData_Gin" on public."CheckIns" using gin ("ManualEntryData");
create unique index "IX_CheckIns_EventAttendeeId" on public."CheckIns" ("EventAttendeeId");
create index "IX_CheckIns_EventId" on public."CheckIns" ("EventId");
create index "IX_CheckIns_StaffMemberId" on public."CheckIns" ("StaffMemberId");
create index "IX_CheckIns_CheckInTime" on public."CheckIns" ("CheckInTime" desc);
create index "IX_CheckIns_EventId_CheckInTime" on public."CheckIns" ("EventId", "CheckInTime" desc);
create index "IX_CheckIns_CreatedBy" on public."CheckIns" ("CreatedBy");

create table public."CheckInAuditLog" (
  "Id"                uuid not null,
  "EventAttendeeId"   uuid,
  "EventId"           uuid not null,
  "ActionType"        varchar(50) not null,
  "ActionDescription" text not null,
  "OldValues"         jsonb,
  "NewValues"         jsonb,
  "IpAddress"         varchar(45),
  "UserAgent"         varchar(500),
  "CreatedAt"         timestamptz not null,
  "CreatedBy"         uuid not null,
  constraint "PK_CheckInAuditLog" primary key ("Id"),
  constraint "FK_CheckInAuditLog_EventAttendees_EventAttendeeId" foreign key ("EventAttendeeId") references public."EventAttendees"("Id") on delete cascade,
  constraint "FK_CheckInAuditLog_Events_EventId" foreign key ("EventId") references public."Events"("Id") on delete cascade,
  constraint "FK_CheckInAuditLog_Users_CreatedBy" foreign key ("CreatedBy") references public."Users"("Id") on delete restrict
);
create index "IX_CheckInAuditLog_OldValues_Gin" on public."CheckInAuditLog" using gin ("OldValues");
create index "IX_CheckInAuditLog_NewValues_Gin" on public."CheckInAuditLog" using gin ("NewValues");
create index "IX_CheckInAuditLog_EventAttendeeId" on public."CheckInAuditLog" ("EventAttendeeId");
create index "IX_CheckInAuditLog_EventId_CreatedAt" on public."CheckInAuditLog" ("EventId", "CreatedAt" desc);
create index "IX_CheckInAuditLog_ActionType" on public."CheckInAuditLog" ("ActionType");
create index "IX_CheckInAuditLog_CreatedAt" on public."CheckInAuditLog" ("CreatedAt" desc);
create index "IX_CheckInAuditLog_CreatedBy" on public."CheckInAuditLog" ("CreatedBy");

create table public."OfflineSyncQueue" (
  "Id"              uuid not null,
  "EventId"         uuid not null,
  "UserId"          uuid not null,
  "ActionType"      varchar(50) not null,
  "ActionData"      jsonb not null,
  "LocalTimestamp"  timestamptz not null,
  "ServerTimestamp" timestamptz,
  "SyncStatus"      integer not null,
  "RetryCount"      integer not null default 0,
  "ErrorMessage"    text,
  "CreatedAt"       timestamptz not null,
  constraint "PK_OfflineSyncQueue" primary key ("Id"),
  constraint "CHK_OfflineSyncQueue_SyncStatus" check ("SyncStatus" in (1, 2, 3)),
  constraint "CHK_OfflineSyncQueue_RetryCount" check ("RetryCount" between 0 and 10),
  constraint "FK_OfflineSyncQueue_Events_EventId" foreign key ("EventId") references public."Events"("Id") on delete cascade,
  constraint "FK_OfflineSyncQueue_Users_UserId" foreign key ("UserId") references public."Users"("Id") on delete cascade
);
create index "IX_OfflineSyncQueue_ActionData_Gin" on public."OfflineSyncQueue" using gin ("ActionData");
create index "IX_OfflineSyncQueue_EventId" on public."OfflineSyncQueue" ("EventId");
create index "IX_OfflineSyncQueue_UserId" on public."OfflineSyncQueue" ("UserId");
create index "IX_OfflineSyncQueue_SyncStatus_CreatedAt" on public."OfflineSyncQueue" ("SyncStatus", "CreatedAt");
create index "IX_OfflineSyncQueue_LocalTimestamp" on public."OfflineSyncQueue" ("LocalTimestamp");

create table public."IncidentAuditLog" (
  "Id"                uuid not null,
  "IncidentId"        uuid not null,
  "UserId"            uuid,
  "ActionType"        varchar(50) not null,
  "ActionDescription" text not null,
  "OldValues"         jsonb,
  "NewValues"         jsonb,
  "IpAddress"         varchar(45),
  "UserAgent"         varchar(500),
  "CreatedAt"         timestamptz not null,
  constraint "PK_IncidentAuditLog" primary key ("Id"),
  constraint "FK_IncidentAuditLog_SafetyIncidents_IncidentId" foreign key ("IncidentId") references public."SafetyIncidents"("Id") on delete cascade,
  constraint "FK_IncidentAuditLog_Users_UserId" foreign key ("UserId") references public."Users"("Id") on delete set null
);
create index "IX_IncidentAuditLog_OldValues_Gin" on public."IncidentAuditLog" using gin ("OldValues");
create index "IX_IncidentAuditLog_NewValues_Gin" on public."IncidentAuditLog" using gin ("NewValues");
create index "IX_IncidentAuditLog_IncidentId_CreatedAt" on public."IncidentAuditLog" ("IncidentId", "CreatedAt" desc);
create index "IX_IncidentAuditLog_UserId" on public."IncidentAuditLog" ("UserId");
create index "IX_IncidentAuditLog_ActionType" on public."IncidentAuditLog" ("ActionType");
create index "IX_IncidentAuditLog_CreatedAt" on public."IncidentAuditLog" ("CreatedAt" desc);

create table public."IncidentNotifications" (
  "Id"               uuid not null,
  "IncidentId"       uuid not null,
  "NotificationType" integer not null,
  "RecipientType"    integer not null,
  "RecipientEmail"   varchar(255) not null,
  "Subject"          varchar(200) not null,
  "MessageBody"      text not null,
  "Status"           integer not null,
  "RetryCount"       integer not null default 0,
  "ErrorMessage"     varchar(1000),
  "SentAt"           timestamptz,
  "CreatedAt"        timestamptz not null,
  "UpdatedAt"        timestamptz not null,
  constraint "PK_IncidentNotifications" primary key ("Id"),
  constraint "CHK_IncidentNotifications_NotificationType" check ("NotificationType" in (1, 2)),
  constraint "CHK_IncidentNotifications_RecipientType" check ("RecipientType" in (1, 2, 3)),
  constraint "CHK_IncidentNotifications_Status" check ("Status" between 1 and 4),
  constraint "CHK_IncidentNotifications_RetryCount" check ("RetryCount" between 0 and 5),
  constraint "FK_IncidentNotifications_SafetyIncidents_IncidentId" foreign key ("IncidentId") references public."SafetyIncidents"("Id") on delete cascade
);
create index "IX_IncidentNotifications_IncidentId" on public."IncidentNotifications" ("IncidentId");
create index "IX_IncidentNotifications_Status_CreatedAt" on public."IncidentNotifications" ("Status", "CreatedAt");
create index "IX_IncidentNotifications_RecipientType" on public."IncidentNotifications" ("RecipientType");
create index "IX_IncidentNotifications_SentAt" on public."IncidentNotifications" ("SentAt" desc);

create table public."Payments" (
  "Id"                          uuid not null,
  "TicketPurchaseId"            uuid not null,
  "UserId"                      uuid not null,
  "AmountValue"                 numeric(10,2) not null,
  "Currency"                    varchar(3) not null default 'USD',
  "SlidingScalePercentage"      numeric(5,2) not null default 0,
  "Status"                      integer not null,
  "PaymentMethodType"           integer not null,
  "EncryptedProcessorOrderId"   varchar(500),
  "EncryptedProcessorCaptureId" varchar(500),
  "EncryptedPayerId"            varchar(500),
  "RefundAmountValue"           numeric(10,2),
  "RefundReason"                varchar(1000),
  "ProcessedAt"                 timestamptz,
  "RefundedAt"                  timestamptz,
  "RefundedByUserId"            uuid,
  "Metadata"                    jsonb not null default '{}',
  "CreatedAt"                   timestamptz not null,
  "UpdatedAt"                   timestamptz not null,
  constraint "PK_Payments" primary key ("Id"),
  constraint "CHK_Payments_Amount_NonNegative" check ("AmountValue" >= 0),
  constraint "CHK_Payments_Currency_Length" check (length("Currency") = 3),
  constraint "CHK_Payments_SlidingScale_Range" check ("SlidingScalePercentage" between 0 and 75),
  constraint "CHK_Payments_Refund_NotMore" check ("RefundAmountValue" is null or "RefundAmountValue" between 0 and "AmountValue"),
  constraint "CHK_Payments_Refund_Complete" check (("RefundedAt" is null) = ("RefundAmountValue" is null)),
  constraint "FK_Payments_TicketPurchases_TicketPurchaseId" foreign key ("TicketPurchaseId") references public."TicketPurchases"("Id") on delete restrict,
  constraint "FK_Payments_Users_UserId" foreign key ("UserId") references public."Users"("Id") on delete restrict,
  constraint "FK_Payments_Users_RefundedByUserId" foreign key ("RefundedByUserId") references public."Users"("Id") on delete set null
);
create index "IX_Payments_Metadata_Gin" on public."Payments" using gin ("Metadata");
create index "IX_Payments_TicketPurchaseId" on public."Payments" ("TicketPurchaseId");
create index "IX_Payments_UserId_CreatedAt" on public."Payments" ("UserId", "CreatedAt" desc);
create index "IX_Payments_Status" on public."Payments" ("Status");
create index "IX_Payments_RefundedByUserId" on public."Payments" ("RefundedByUserId");
create index "IX_Payments_ProcessedAt" on public."Payments" ("ProcessedAt" desc) where "ProcessedAt" is not null;
create unique index "IX_Payments_EncryptedProcessorOrderId" on public."Payments" ("EncryptedProcessorOrderId") where "EncryptedProcessorOrderId" is not null;
create index "IX_Payments_PaymentMethodType" on public."Payments" ("PaymentMethodType");

create table public."PaymentMethods" (
  "Id"                         uuid not null,
  "UserId"                     uuid not null,
  "EncryptedProcessorMethodId" varchar(500) not null,
  "Brand"                      varchar(50) not null,
  "LastFour"                   varchar(4) not null,
  "ExpiryMonth"                integer not null,
  "ExpiryYear"                 integer not null,
  "IsDefault"                  boolean not null,
  "IsActive"                   boolean not null,
  "CreatedAt"                  timestamptz not null,
  "UpdatedAt"                  timestamptz not null,
  constraint "PK_PaymentMethods" primary key ("Id"),
  constraint "CHK_PaymentMethods_ExpiryMonth" check ("ExpiryMonth" between 1 and 12),
  constraint "FK_PaymentMethods_Users_UserId" foreign key ("UserId") references public."Users"("Id") on delete cascade
);
create index "IX_PaymentMethods_UserId_IsActive" on public."PaymentMethods" ("UserId", "IsActive");
create unique index "IX_PaymentMethods_UserId" on public."PaymentMethods" ("UserId") where "IsDefault" = true;
create unique index "IX_PaymentMethods_EncryptedProcessorMethodId" on public."PaymentMethods" ("EncryptedProcessorMethodId");

create table public."PaymentRefunds" (
  "Id"                         uuid not null,
  "OriginalPaymentId"          uuid not null,
  "RefundAmountValue"          numeric(10,2) not null,
  "Currency"                   varchar(3) not null default 'USD',
  "RefundReason"               varchar(1000) not null,
  "RefundStatus"               integer not null,
  "EncryptedProcessorRefundId" varchar(500),
  "ProcessedByUserId"          uuid not null,
  "ProcessedAt"                timestamptz not null,
  "Metadata"                   jsonb not null default '{}',
  "CreatedAt"                  timestamptz not null,
  constraint "PK_PaymentRefunds" primary key ("Id"),
  constraint "CHK_PaymentRefunds_Amount_Positive" check ("RefundAmountValue" > 0),
  constraint "CHK_PaymentRefunds_Reason_NotEmpty" check (length(trim("RefundReason")) > 0),
  constraint "FK_PaymentRefunds_Payments_OriginalPaymentId" foreign key ("OriginalPaymentId") references public."Payments"("Id") on delete restrict,
  constraint "FK_PaymentRefunds_Users_ProcessedByUserId" foreign key ("ProcessedByUserId") references public."Users"("Id") on delete restrict
);
create index "IX_PaymentRefunds_Metadata_Gin" on public."PaymentRefunds" using gin ("Metadata");
create index "IX_PaymentRefunds_OriginalPaymentId" on public."PaymentRefunds" ("OriginalPaymentId");
create index "IX_PaymentRefunds_ProcessedByUserId" on public."PaymentRefunds" ("ProcessedByUserId");
create index "IX_PaymentRefunds_RefundStatus" on public."PaymentRefunds" ("RefundStatus");
create index "IX_PaymentRefunds_ProcessedAt" on public."PaymentRefunds" ("ProcessedAt" desc);

create table public."PaymentFailures" (
  "Id"                      uuid not null,
  "PaymentId"               uuid not null,
  "FailureCode"             varchar(50) not null,
  "FailureMessage"          text not null,
  "EncryptedProcessorError" text,
  "RetryCount"              integer not null default 0,
  "FailedAt"                timestamptz not null,
  "ResolvedAt"              timestamptz,
  constraint "PK_PaymentFailures" primary key ("Id"),
  constraint "CHK_PaymentFailures_RetryCount" check ("RetryCount" >= 0),
  constraint "FK_PaymentFailures_Payments_PaymentId" foreign key ("PaymentId") references public."Payments"("Id") on delete cascade
);
create index "IX_PaymentFailures_PaymentId" on public."PaymentFailures" ("PaymentId");
create index "IX_PaymentFailures_FailureCode" on public."PaymentFailures" ("FailureCode");
create index "IX_PaymentFailures_FailedAt" on public."PaymentFailures" ("FailedAt" desc);
create index "IX_PaymentFailures_ResolvedAt" on public."PaymentFailures" ("ResolvedAt") where "ResolvedAt" is null;

create table public."PaymentAuditLog" (
  "Id"                uuid not null,
  "PaymentId"         uuid not null,
  "UserId"            uuid,
  "ActionType"        varchar(50) not null,
  "ActionDescription" varchar(1000) not null,
  "OldValues"         jsonb,
  "NewValues"         jsonb,
  "IpAddress"         varchar(45),
  "UserAgent"         varchar(500),
  "CreatedAt"         timestamptz not null,
  constraint "PK_PaymentAuditLog" primary key ("Id"),
  constraint "FK_PaymentAuditLog_Payments_PaymentId" foreign key ("PaymentId") references public."Payments"("Id") on delete cascade,
  constraint "FK_PaymentAuditLog_Users_UserId" foreign key ("UserId") references public."Users"("Id") on delete set null
);
create index "IX_PaymentAuditLog_OldValues_Gin" on public."PaymentAuditLog" using gin ("OldValues");
create index "IX_PaymentAuditLog_NewValues_Gin" on public."PaymentAuditLog" using gin ("NewValues");
create index "IX_PaymentAuditLog_PaymentId_CreatedAt" on public."PaymentAuditLog" ("PaymentId", "CreatedAt" desc);
create index "IX_PaymentAuditLog_UserId" on public."PaymentAuditLog" ("UserId");
create index "IX_PaymentAuditLog_ActionType" on public."PaymentAuditLog" ("ActionType");
create index "IX_PaymentAuditLog_CreatedAt" on public."PaymentAuditLog" ("CreatedAt" desc);

create table "VettingAuditLogs" (
  "Id"            uuid not null,
  "ApplicationId" uuid not null,
  "PerformedBy"   uuid not null,
  "PerformedAt"   timestamptz not null,
  "Action"        varchar(100) not null,
  "OldValue"      varchar(100),
  "NewValue"      varchar(100),
  "Notes"         text,
  constraint "PK_VettingAuditLogs" primary key ("Id"),
  constraint "FK_VettingAuditLogs_VettingApplications_ApplicationId" foreign key ("ApplicationId") references public."VettingApplications"("Id") on delete cascade,
  constraint "FK_VettingAuditLogs_Users_PerformedBy" foreign key ("PerformedBy") references public."Users"("Id") on delete restrict
);
create index "IX_VettingAuditLogs_ApplicationId" on "VettingAuditLogs" ("ApplicationId");
create index "IX_VettingAuditLogs_PerformedAt" on "VettingAuditLogs" ("PerformedAt" desc);
create index "IX_VettingAuditLogs_PerformedBy" on "VettingAuditLogs" ("PerformedBy");
create index "IX_VettingAuditLogs_ApplicationId_PerformedAt" on "VettingAuditLogs" ("ApplicationId", "PerformedAt" desc);

create table "VettingBulkOperations" (
  "Id"            uuid not null,
  "OperationType" integer not null,
  "Status"        integer not null,
  "PerformedBy"   uuid not null,
  "PerformedAt"   timestamptz not null,
  "Parameters"    jsonb not null,
  "TotalItems"    integer not null,
  "SuccessCount"  integer not null default 0,
  "FailureCount"  integer not null default 0,
  "StartedAt"     timestamptz not null,
  "CompletedAt"   timestamptz,
  "ErrorSummary"  text,
  "CreatedAt"     timestamptz not null,
  "UpdatedAt"     timestamptz not null,
  constraint "PK_VettingBulkOperations" primary key ("Id"),
  constraint "CHK_VettingBulkOperations_Counts" check ("SuccessCount" >= 0 and "FailureCount" >= 0),
  constraint "CHK_VettingBulkOperations_Total" check ("SuccessCount" + "FailureCount" <= "TotalItems"),
  constraint "FK_VettingBulkOperations_Users_PerformedBy" foreign key ("PerformedBy") references public."Users"("Id") on delete restrict
);
create index "IX_VettingBulkOperations_Parameters_Gin" on "VettingBulkOperations" using gin ("Parameters");
create index "IX_VettingBulkOperations_PerformedBy" on "VettingBulkOperations" ("PerformedBy");
create index "IX_VettingBulkOperations_Status" on "VettingBulkOperations" ("Status");
create index "IX_VettingBulkOperations_PerformedAt" on "VettingBulkOperations" ("PerformedAt" desc);
create index "IX_VettingBulkOperations_OperationType_Status" on "VettingBulkOperations" ("OperationType", "Status");

create table public."VettingBulkOperationItems" (
  "Id"              uuid not null,
  "BulkOperationId" uuid not null,
  "ApplicationId"   uuid not null,
  "Success"         boolean not null,
  "ErrorMessage"    varchar(1000),
  "ProcessedAt"     timestamptz,
  "AttemptCount"    integer not null default 1,
  "CreatedAt"       timestamptz not null,
  constraint "PK_VettingBulkOperationItems" primary key ("Id"),
  constraint "CHK_VettingBulkOperationItems_AttemptCount" check ("AttemptCount" > 0),
  constraint "FK_VettingBulkOperationItems_VettingBulkOperations_BulkOperationId" foreign key ("BulkOperationId") references public."VettingBulkOperations"("Id") on delete cascade,
  constraint "FK_VettingBulkOperationItems_VettingApplications_ApplicationId" foreign key ("ApplicationId") references public."VettingApplications"("Id") on delete cascade
);
create unique index "IX_VettingBulkOperationItems_BulkOperationId_ApplicationId" on public."VettingBulkOperationItems" ("BulkOperationId", "ApplicationId");
create index "IX_VettingBulkOperationItems_ApplicationId" on public."VettingBulkOperationItems" ("ApplicationId");
create index "IX_VettingBulkOperationItems_Success" on public."VettingBulkOperationItems" ("Success") where "Success" = false;

create table public."VettingBulkOperationLogs" (
  "Id"              uuid not null,
  "BulkOperationId" uuid not null,
  "ApplicationId"   uuid,
  "LogLevel"        varchar(20) not null,
  "Message"         varchar(500) not null,
  "Context"         jsonb,
  "CreatedAt"       timestamptz not null,
  constraint "PK_VettingBulkOperationLogs" primary key ("Id"),
  constraint "FK_VettingBulkOperationLogs_VettingBulkOperations_BulkOperationId" foreign key ("BulkOperationId") references public."VettingBulkOperations"("Id") on delete cascade
);
create index "IX_VettingBulkOperationLogs_Context_Gin" on public."VettingBulkOperationLogs" using gin ("Context");
create index "IX_VettingBulkOperationLogs_BulkOperationId_CreatedAt" on public."VettingBulkOperationLogs" ("BulkOperationId", "CreatedAt");
create index "IX_VettingBulkOperationLogs_LogLevel" on public."VettingBulkOperationLogs" ("LogLevel");
create index "IX_VettingBulkOperationLogs_ApplicationId" on public."VettingBulkOperationLogs" ("ApplicationId") where "ApplicationId" is not null;

create table "VettingEmailTemplates" (
  "Id"            uuid not null,
  "TemplateType"  integer not null,
  "Subject"       varchar(200) not null,
  "HtmlBody"      text not null,
  "PlainTextBody" text not null,
  "Variables"     text,
  "IsActive"      boolean not null default true,
  "Version"       integer not null default 1,
  "LastModified"  timestamptz not null,
  "UpdatedBy"     uuid not null,
  "CreatedAt"     timestamptz not null,
  "UpdatedAt"     timestamptz not null,
  constraint "PK_VettingEmailTemplates" primary key ("Id"),
  constraint "CHK_VettingEmailTemplates_Subject_Length" check (length("Subject") >= 3),
  constraint "CHK_VettingEmailTemplates_Version" check ("Version" > 0),
  constraint "FK_VettingEmailTemplates_Users_UpdatedBy" foreign key ("UpdatedBy") references public."Users"("Id") on delete restrict
);
create index "IX_VettingEmailTemplates_TemplateType" on "VettingEmailTemplates" ("TemplateType");
create index "IX_VettingEmailTemplates_IsActive" on "VettingEmailTemplates" ("IsActive");
create index "IX_VettingEmailTemplates_UpdatedBy" on "VettingEmailTemplates" ("UpdatedBy");

create table "VettingEmailLogs" (
  "Id"                uuid not null,
  "ApplicationId"     uuid not null,
  "TemplateType"      integer not null,
  "RecipientEmail"    varchar(256) not null,
  "Subject"           varchar(200) not null,
  "SentAt"            timestamptz not null,
  "DeliveryStatus"    integer not null,
  "ProviderMessageId" varchar(100),
  "RetryCount"        integer not null default 0,
  "LastRetryAt"       timestamptz,
  "ErrorMessage"      varchar(1000),
  constraint "PK_VettingEmailLogs" primary key ("Id"),
  constraint "CHK_VettingEmailLogs_RetryCount" check ("RetryCount" between 0 and 5),
  constraint "CHK_VettingEmailLogs_LastRetryAt" check ("LastRetryAt" is null or "RetryCount" > 0),
  constraint "FK_VettingEmailLogs_VettingApplications_ApplicationId" foreign key ("ApplicationId") references public."VettingApplications"("Id") on delete cascade
);
create index "IX_VettingEmailLogs_ApplicationId" on "VettingEmailLogs" ("ApplicationId");
create index "IX_VettingEmailLogs_SentAt" on "VettingEmailLogs" ("SentAt" desc);
create index "IX_VettingEmailLogs_DeliveryStatus" on "VettingEmailLogs" ("DeliveryStatus");
create index "IX_VettingEmailLogs_DeliveryStatus_RetryCount_SentAt" on "VettingEmailLogs" ("DeliveryStatus", "RetryCount", "SentAt");

create table public."VettingNotifications" (
  "Id"               uuid not null,
  "ApplicationId"    uuid not null,
  "NotificationType" varchar(50) not null,
  "RecipientEmail"   varchar(256) not null,
  "Subject"          varchar(200) not null,
  "Body"             text not null,
  "Status"           integer not null,
  "SentAt"           timestamptz,
  "ErrorMessage"     varchar(1000),
  "RetryCount"       integer not null default 0,
  "NextRetryAt"      timestamptz,
  "CreatedAt"        timestamptz not null,
  constraint "PK_VettingNotifications" primary key ("Id"),
  constraint "CHK_VettingNotifications_RetryCount" check ("RetryCount" >= 0),
  constraint "FK_VettingNotifications_VettingApplications_ApplicationId" foreign key ("ApplicationId") references public."VettingApplications"("Id") on delete cascade
);
create index "IX_VettingNotifications_ApplicationId" on public."VettingNotifications" ("ApplicationId");
create index "IX_VettingNotifications_Status" on public."VettingNotifications" ("Status");
create index "IX_VettingNotifications_Status_NextRetryAt" on public."VettingNotifications" ("Status", "NextRetryAt");
